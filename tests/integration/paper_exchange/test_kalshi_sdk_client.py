"""A session of the client ``kalshi-sdk``, REST and WebSocket, against its own strict models; see `make clients`."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from support.foreign_clients import foreign_session

kalshi = pytest.importorskip("kalshi", reason="kalshi-sdk is not installed (it needs Python 3.12): make clients")
_ids = itertools.count(1)


async def test_a_session_of_kalshi_sdk_has_no_error(tmp_path: Path) -> None:
    from kalshi.ws import KalshiWebSocket  # type: ignore[import-not-found]

    async with foreign_session(tmp_path, snapshot_includes_empty_sides=True) as session:
        ticker = session.ticker
        config = kalshi.KalshiConfig(base_url=session.rest_url, ws_base_url=session.ws_url)
        auth = kalshi.KalshiAuth.from_key_path(session.key_id, str(session.key_file))
        async with kalshi.AsyncKalshiClient(auth=auth, config=config) as client:
            assert (await client.markets.list(status="open")).items
            assert (await client.markets.get(ticker)).ticker == ticker
            async with KalshiWebSocket(auth=auth, config=config).connect() as stream:
                books = await stream.subscribe_orderbook_delta(tickers=[ticker])
                fills, orders = await stream.subscribe_fill(), await stream.subscribe_user_orders()
                positions = await stream.subscribe_market_positions()
                assert (await first(books)).type == "orderbook_snapshot"
                taken = await create(client, ticker, "0.99", "1", "immediate_or_cancel")
                assert (await first(fills)).msg.order_id == taken.order_id
                assert (await first(orders)).msg.order_id == taken.order_id
                assert (await first(positions)).msg.market_ticker == ticker
            await change_orders(client, ticker)
            await batch_and_groups(client, ticker)
            assert (await client.portfolio.balance()).balance > 0
            assert [one.order_id for one in (await client.portfolio.fills()).items] == [taken.order_id]
            assert [one.ticker for one in (await client.portfolio.positions()).market_positions] == [ticker]
            assert (await client.orders.list(status="resting")).items == []
            await client.account.limits()
        assert session.refused() == []
        assert len(session.operations()) >= 20


async def create(client: Any, ticker: str, price: str, count: str = "1", *more: Any, **fields: Any) -> Any:
    return await client.orders.create_v2(request=order(ticker, price, count, *more, **fields))


def order(ticker: str, price: str, count: str, time_in_force: str = "good_till_canceled", **fields: Any) -> Any:
    from kalshi.models.orders import CreateOrderV2Request  # type: ignore[import-not-found]

    return CreateOrderV2Request(
        ticker=ticker, side="bid", count=count, price=price, time_in_force=time_in_force,
        self_trade_prevention_type="taker_at_cross", client_order_id=f"sdk-{next(_ids)}",
        **fields,
    )  # fmt: skip


async def change_orders(client: Any, ticker: str) -> None:
    from kalshi.models.orders import AmendOrderV2Request, DecreaseOrderV2Request

    order_id = (await create(client, ticker, "0.01", "3")).order_id
    decreased = await client.orders.decrease_v2(order_id, request=DecreaseOrderV2Request(reduce_by="1"))
    assert decreased.remaining_count == 2
    change = AmendOrderV2Request(ticker=ticker, side="bid", price="0.02", count="4")
    assert (await client.orders.amend_v2(order_id, request=change)).order_id == order_id
    assert (await client.orders.get(order_id)).remaining_count == 4
    assert await client.orders.queue_position(order_id) >= 0
    assert (await client.orders.cancel_v2(order_id, market_ticker=ticker)).reduced_by == 4


async def batch_and_groups(client: Any, ticker: str) -> None:
    from kalshi.models.orders import (
        BatchCancelOrdersV2Request,
        BatchCancelOrdersV2RequestOrder,
        BatchCreateOrdersV2Request,
    )

    new = BatchCreateOrdersV2Request(orders=[order(ticker, price, "1") for price in ("0.03", "0.02")])
    ids = [one.order_id for one in (await client.orders.batch_create_v2(request=new)).orders]
    named = [BatchCancelOrdersV2RequestOrder(order_id=one, market_ticker=ticker) for one in ids]
    done = await client.orders.batch_cancel_v2(request=BatchCancelOrdersV2Request(orders=named))
    assert [one.reduced_by for one in done.orders] == [1, 1]
    group = (await client.order_groups.create(contracts_limit=150)).order_group_id
    grouped = await create(client, ticker, "0.01", "1", order_group_id=group)
    assert (await client.order_groups.get(group)).orders == [grouped.order_id]
    await client.order_groups.update_limit(group, contracts_limit=10)
    await client.order_groups.trigger(group)
    await client.order_groups.reset(group)
    await client.order_groups.delete(group)
    await create(client, ticker, "0.01", "2")
    await client.orders.cancel_all_v2()


async def first(messages: Any) -> Any:
    async with asyncio.timeout(10):
        return await anext(aiter(messages))
