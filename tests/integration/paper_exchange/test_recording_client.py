"""A recording served to two clients of other people at once; see `make clients`."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.foreign_clients import A, recorded_settings
from support.paper_client import running
from truebook.kalshi.hosts import addresses
from truebook_services.paper_exchange.rest.requests import ServedRequest
from truebook_services.paper_exchange.server import exchange_clock

pykalshi = pytest.importorskip("pykalshi", reason="pykalshi is not installed: make clients")
synpath = pytest.importorskip("synpath", reason="synpath is not installed: make clients")


@pytest.mark.parametrize("times", ["now", "recorded"])
async def test_two_foreign_clients_share_a_recording(tmp_path: Path, times: str) -> None:
    """What one of them takes is taken for the other; each sees its own fills only."""
    from synpath.trading.credentials import KalshiCredentials  # type: ignore[import-not-found]
    from synpath.trading.kalshi import KalshiTrading  # type: ignore[import-not-found]
    from synpath.ws.kalshi import KalshiStream  # type: ignore[import-not-found]

    configured = recorded_settings(tmp_path, accounts=("second",), capture_times=times, first_data_delay_ms=100)
    async with running(configured, exchange_clock(configured)) as exchange:
        served: list[ServedRequest] = []
        exchange.exchange.state.observer = served.append
        rest_url, ws_url = addresses(exchange.exchange.url)
        one, two = exchange.exchange.keys
        assert one.private_key_file is not None and two.private_key_file is not None
        credentials = KalshiCredentials(two.key_id, two.private_key_file.read_bytes())
        venue = KalshiTrading(credentials, base_url=rest_url)
        with pykalshi.KalshiClient(one.key_id, str(one.private_key_file), rest_url) as client:
            async with KalshiStream(credentials, url=ws_url) as stream:
                await stream.watch_order_book([f"kalshi:{A}"])
                await book_event(stream)
                first, second = await asyncio.gather(asyncio.to_thread(buy, client), venue.create_order(request()))
                assert Decimal(first.fill_count_fp) + second.filled == 5
                assert stream.book(f"kalshi:{A}").best_ask == Decimal("0.52")
            own = await asyncio.to_thread(client.portfolio.get_fills)
            assert {fill.order_id for fill in own} == {first.order_id}
            assert {fill.order_id for fill in await venue.fetch_my_trades()} == {second.id}
            assert (await asyncio.to_thread(buy, client)).fill_count_fp == "0.00"
        await venue.close()
        assert [(each.operation, each.status) for each in served if not 200 <= each.status < 300] == []


def buy(client: Any) -> Any:
    return client.portfolio.place_order(
        A, count_fp="3.00", book_side="bid", price_dollars="0.52", time_in_force=pykalshi.TimeInForce.IOC
    )


def request() -> Any:
    return synpath.OrderRequest(
        market_id=f"kalshi:{A}", side=synpath.Side.BUY, type=synpath.OrderType.LIMIT, price=Decimal("0.52"),
        quantity=Decimal(3), time_in_force=synpath.TimeInForce.IOC,
    )  # fmt: skip


async def book_event(stream: Any) -> None:
    async with asyncio.timeout(10):
        async for event in stream:
            if type(event).__name__ == "BookEvent":
                return
