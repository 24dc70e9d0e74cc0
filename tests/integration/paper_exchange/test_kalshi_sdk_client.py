"""A session of the client ``kalshi-sdk``, REST and WebSocket, against its own strict models; see `make clients`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from support.paper_client import paper_settings, running

kalshi = pytest.importorskip("kalshi", reason="kalshi-sdk is not installed: make clients")


async def test_a_session_of_kalshi_sdk_has_no_error(tmp_path: Path) -> None:
    from kalshi.models.orders import CreateOrderV2Request  # type: ignore[import-not-found]
    from kalshi.ws import KalshiWebSocket  # type: ignore[import-not-found]

    settings = paper_settings(
        tmp_path, key_id=None, public_key_file=None, first_data_delay_ms=100, snapshot_includes_empty_sides=True
    )
    async with running(settings) as exchange:
        url, file = exchange.exchange.url, exchange.exchange.private_key_file
        market = await exchange_market(exchange)
        config = kalshi.KalshiConfig(
            base_url=f"{url}/trade-api/v2", ws_base_url=f"{url.replace('http', 'ws', 1)}/trade-api/ws/v2"
        )
        auth = kalshi.KalshiAuth.from_key_path(exchange.exchange.key_id, str(file))
        async with kalshi.AsyncKalshiClient(auth=auth, config=config) as client:
            assert (await client.markets.list(status="open")).items
            assert (await client.markets.get(market)).ticker == market
            async with KalshiWebSocket(auth=auth, config=config).connect() as stream:
                books = await stream.subscribe_orderbook_delta(tickers=[market])
                fills = await stream.subscribe_fill()
                assert (await first(books)).type == "orderbook_snapshot"
                request = CreateOrderV2Request(
                    ticker=market, side="bid", count="1", price="0.99", time_in_force="immediate_or_cancel",
                    self_trade_prevention_type="taker_at_cross", client_order_id="sdk-1",
                )  # fmt: skip
                created = await client.orders.create_v2(request=request)
                filled = await first(fills)
                assert filled.msg.order_id == created.order_id
            assert (await client.portfolio.balance()).balance > 0
            assert (await client.portfolio.fills()).items
            assert (await client.portfolio.positions()).market_positions


async def first(messages: Any) -> Any:
    async with asyncio.timeout(10):
        return await anext(aiter(messages))


async def exchange_market(exchange: Any) -> str:
    return str((await exchange.two_sided())["ticker"])
