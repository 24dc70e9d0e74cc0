"""A session of the client ``pykalshi``, REST and its feed, whose fixed address is replaced; see `make clients`."""

from __future__ import annotations

import asyncio
import queue
from pathlib import Path
from typing import Any

import pytest

from support.foreign_clients import ForeignSession, foreign_session

pykalshi = pytest.importorskip("pykalshi", reason="pykalshi is not installed: make clients")


async def test_a_session_of_pykalshi_has_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pykalshi.feed

    async with foreign_session(tmp_path) as session:
        monkeypatch.setattr(pykalshi.feed, "DEFAULT_WS_BASE", session.ws_url)
        await asyncio.to_thread(trade, session)
        assert session.refused() == []
        assert len(session.operations()) >= 18


def trade(session: ForeignSession) -> None:
    with pykalshi.KalshiClient(session.key_id, str(session.key_file), session.rest_url) as client:
        ticker, portfolio = session.ticker, client.portfolio
        assert ticker in {one.ticker for one in client.get_markets(status=pykalshi.MarketStatus.OPEN, fetch_all=True)}
        assert client.get_market(ticker).get_orderbook().best_yes_bid is not None
        frames: queue.Queue[tuple[str, Any]] = queue.Queue()
        with client.feed() as feed:
            for channel in ("orderbook_delta", "fill", "user_orders", "market_positions"):
                feed.on(channel, lambda frame, channel=channel: frames.put((channel, frame)))
                feed.subscribe(channel, **({"market_ticker": ticker} if channel == "orderbook_delta" else {}))
            assert first(frames, "orderbook_delta").market_ticker == ticker
            taken = buy(client, ticker, "0.99", "1.00", pykalshi.TimeInForce.IOC)
            assert first(frames, "fill").order_id == taken.order_id
            assert first(frames, "market_positions").market_ticker == ticker
        change_orders(client, ticker)
        batch_and_groups(client, ticker)
        assert taken.order_id in {one.order_id for one in portfolio.get_fills(ticker=ticker)}
        assert {one.ticker: one.position_fp for one in portfolio.get_positions()} == {ticker: "1.00"}
        assert portfolio.get_balance().balance > 0
        assert portfolio.get_orders(status=pykalshi.OrderStatus.RESTING) == []


def buy(client: Any, ticker: str, price: str, count: str, time_in_force: Any = None, **more: Any) -> Any:
    return client.portfolio.place_order(
        ticker, count_fp=count, book_side="bid", price_dollars=price,
        time_in_force=time_in_force or pykalshi.TimeInForce.GTC, **more,
    )  # fmt: skip


def change_orders(client: Any, ticker: str) -> None:
    order = buy(client, ticker, "0.01", "3.00")
    client.portfolio.decrease_order(order.order_id, "1.00")
    client.portfolio.amend_order(order.order_id, count_fp="4.00", price_dollars="0.02")
    read = client.portfolio.get_order(order.order_id)
    assert (read.remaining_count_fp, read.yes_price_dollars) == ("4.00", "0.0200")
    assert client.portfolio.get_queue_position(order.order_id).queue_position_fp is not None
    assert client.portfolio.cancel_order(order.order_id).status is pykalshi.OrderStatus.CANCELED


def batch_and_groups(client: Any, ticker: str) -> None:
    portfolio = client.portfolio
    one = {"ticker": ticker, "action": "buy", "side": "yes", "count_fp": "1.00"}
    placed = portfolio.batch_place_orders([{**one, "yes_price_dollars": price} for price in ("0.01", "0.02")])
    assert len({order.order_id for order in placed}) == 2
    assert len(portfolio.batch_cancel_orders([order.order_id for order in placed])) == 2
    group = portfolio.create_order_group("150.00").id
    grouped = buy(client, ticker, "0.01", "1.00", order_group_id=group)
    assert portfolio.get_order_group(group).orders == [grouped.order_id]
    portfolio.update_order_group_limit(group, "10.00")
    portfolio.trigger_order_group(group)
    portfolio.reset_order_group(group)
    assert [each.id for each in portfolio.get_order_groups()] == [group]


def first(frames: queue.Queue[tuple[str, Any]], channel: str) -> Any:
    while True:
        found, frame = frames.get(timeout=10)
        if found == channel:
            return frame
