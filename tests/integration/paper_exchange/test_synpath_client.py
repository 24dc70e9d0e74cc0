"""A session of the client ``synpath``, REST and WebSocket; see `make clients`."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.foreign_clients import A, foreign_session, recorded_settings
from support.paper_client import running
from truebook.kalshi.hosts import addresses
from truebook_services.paper_exchange.server import exchange_clock

synpath = pytest.importorskip("synpath", reason="synpath is not installed: make clients")


async def test_a_session_of_synpath_has_no_error(tmp_path: Path) -> None:
    from synpath.trading.credentials import KalshiCredentials  # type: ignore[import-not-found]
    from synpath.trading.kalshi import KalshiTrading  # type: ignore[import-not-found]
    from synpath.ws.kalshi import KalshiStream  # type: ignore[import-not-found]

    async with foreign_session(tmp_path) as session:
        market = f"kalshi:{session.ticker}"
        credentials = KalshiCredentials(session.key_id, session.key_pem.encode())
        venue = KalshiTrading(credentials, base_url=session.rest_url)
        async with KalshiStream(credentials, url=session.ws_url) as stream:
            await venue.fetch_limits()
            await stream.watch_order_book([market])
            await stream.watch_my_trades()
            await stream.watch_orders()
            await stream.watch_positions()
            assert (await first(stream, "BookEvent")).kind == "snapshot"
            taken = await venue.create_order(bid(market, "0.99", "1.00", synpath.TimeInForce.IOC))
            assert taken.filled == 1
            assert (await first(stream, "FillEvent")).fill.order_id == taken.id
            assert (await first(stream, "PositionEvent")).position.market_id == market
            assert stream.book(market).best_bid is not None
        await change_orders(venue, market)
        await batch_and_groups(venue, market)
        assert [one.order_id for one in await venue.fetch_my_trades(market_id=market)][-1] == taken.id
        assert [(one.market_id, one.contracts) for one in await venue.fetch_positions()] == [(market, Decimal(1))]
        assert (await venue.fetch_balance()).total > 0
        assert await venue.fetch_open_orders() == []
        await venue.close()
        assert session.refused() == []
        assert len(session.operations()) >= 16


async def test_the_quantity_of_an_immediate_order_is_what_was_filled(tmp_path: Path) -> None:
    from synpath.trading.credentials import KalshiCredentials
    from synpath.trading.kalshi import KalshiTrading

    configured = recorded_settings(tmp_path, capture_times="now")
    async with running(configured, exchange_clock(configured)) as exchange:
        [key] = exchange.exchange.keys
        assert key.private_key_file is not None
        credentials = KalshiCredentials(key.key_id, key.private_key_file.read_bytes())
        venue = KalshiTrading(credentials, base_url=addresses(exchange.exchange.url)[0])
        for filled in (5, 0):
            order = await venue.create_order(bid(f"kalshi:{A}", "0.52", "7.00", synpath.TimeInForce.IOC))
            assert (order.filled, order.quantity) == (filled, filled)
        await venue.close()


def bid(market: str, price: str, quantity: str, time_in_force: Any = None, **more: Any) -> Any:
    return synpath.OrderRequest(
        market_id=market, side=synpath.Side.BUY, type=synpath.OrderType.LIMIT, price=Decimal(price),
        quantity=Decimal(quantity), time_in_force=time_in_force or synpath.TimeInForce.GTC, **more,
    )  # fmt: skip


async def change_orders(venue: Any, market: str) -> None:
    order = await venue.create_order(bid(market, "0.01", "3.00"))
    decreased = await venue.edit_order(synpath.EditRequest(order_id=order.id, quantity=Decimal(2)))
    assert (decreased.remaining, decreased.queue_priority_preserved) == (2, True)
    amended = await venue.edit_order(synpath.EditRequest(order_id=order.id, price=Decimal("0.02"), quantity=Decimal(4)))
    assert (amended.remaining, amended.price) == (4, Decimal("0.02"))
    assert (await venue.fetch_queue_position(order.id)) >= 0
    assert (await venue.cancel_order(order.id, market_id=market)).status is synpath.OrderStatus.CANCELED


async def batch_and_groups(venue: Any, market: str) -> None:
    placed = await venue.create_orders([bid(market, price, "1.00") for price in ("0.01", "0.02")])
    cancelled = await venue.cancel_orders([one.id for one in placed], market_id=market)
    assert [one.status for one in cancelled] == [synpath.OrderStatus.CANCELED] * 2
    group = await venue.create_order_group(150)
    grouped = await venue.create_order(bid(market, "0.01", "1.00", params={"order_group_id": group}))
    assert (await venue.fetch_order_group(group))["orders"] == [grouped.id]
    await venue.update_order_group_limit(group, 10)
    await venue.trigger_order_group(group)
    await venue.reset_order_group(group)
    await venue.delete_order_group(group)
    await venue.create_order(bid(market, "0.01", "1.00"))
    assert await venue.cancel_all_orders(market_id=market) == 1
    await venue.cancel_all_orders()


async def first(stream: Any, kind: str) -> Any:
    """Read until an event of a class; an error of the stream fails the test."""
    async with asyncio.timeout(10):
        async for event in stream:
            if type(event).__name__ == "StreamStatusEvent":
                assert event.state in ("connected", "subscribed"), event
            if type(event).__name__ == kind:
                return event
    raise AssertionError(f"the stream ended before a {kind}")
