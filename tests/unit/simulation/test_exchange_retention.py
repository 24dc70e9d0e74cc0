"""An exchange that never ends keeps its newest ended orders, fills and markets, and all that is open."""

from __future__ import annotations

from typing import Any

import pytest

from support.simulated_exchange import ASK, BID, SECOND_US, START_US, exchange, metadata, placed, request
from truebook.simulation.venue import exchange as exchange_module
from truebook.simulation.venue import markets as markets_module
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook.venue.account import OrderStatus

KEPT = 5


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> SimulatedExchange:
    monkeypatch.setattr(exchange_module, "MAX_KEPT", KEPT)
    return exchange()


def account(venue: SimulatedExchange, name: str = "alice") -> Any:
    return venue._accounts.account(name)


def test_old_ended_orders_are_dropped_and_open_ones_kept(venue: SimulatedExchange) -> None:
    resting = placed(venue, "alice", request(BID, 100, 100, client_order_id="resting"))[0].exchange_order_id
    for number in range(20):
        order_id = placed(venue, "alice", request(BID, 200, 100, client_order_id=f"c{number}"))[0].exchange_order_id
        venue.cancel("alice", order_id, START_US)
    kept = venue.queries.orders("alice")
    assert [order.client_order_id for order in kept] == [f"c{number}" for number in range(19, 14, -1)] + ["resting"]
    assert venue.queries.order("alice", resting) is not None
    assert [order.status for order in venue.queries.orders("alice", status=OrderStatus.RESTING)] == [
        OrderStatus.RESTING
    ]
    assert len(account(venue).client_ids) == len(account(venue).orders) == KEPT + 1


def test_numbers_of_orders_are_not_used_again(venue: SimulatedExchange) -> None:
    """Resting orders are listed in the order of acceptance, however many were dropped before."""
    for number in range(20):
        order_id = placed(venue, "alice", request(BID, 200, 100, client_order_id=f"c{number}"))[0].exchange_order_id
        venue.cancel("alice", order_id, START_US)
    for number in range(3):
        placed(venue, "alice", request(BID, 200, 100, client_order_id=f"open{number}"))
    assert [order.request.client_order_id for order in venue._accounts.open_orders("alice")] == [
        "open0",
        "open1",
        "open2",
    ]


def test_old_fills_are_dropped_and_cash_and_position_kept(venue: SimulatedExchange) -> None:
    whole = exchange()
    for number in range(40):
        for each in (venue, whole):
            placed(each, "bob", request(ASK, 5_000, 100, client_order_id=f"b{number}"))
            placed(each, "alice", request(BID, 5_000, 100, client_order_id=f"a{number}"))
    fills = venue.queries.fills("alice")
    assert KEPT <= len(fills) <= 2 * KEPT
    assert fills == whole.queries.fills("alice")[: len(fills)]
    assert venue.queries.balance("alice") == whole.queries.balance("alice")
    assert venue.queries.positions("alice") == whole.queries.positions("alice")


def test_settled_markets_of_our_orders_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markets_module, "USED_MARKETS", 2)
    tickers = [f"SIMTEST-{number}-A" for number in range(5)]
    venue = exchange(*(metadata(ticker) for ticker in tickers))
    at_us = START_US
    for ticker in tickers:
        placed(venue, "bob", request(ASK, 5_000, 100, ticker))
        order = placed(venue, "alice", request(BID, 5_000, 100, ticker))[0]
        at_us += 10 * SECOND_US
        venue.lifecycle.determine(ticker, 10_000, at_us)
        at_us += 10 * SECOND_US
        venue.advance(at_us)
    assert [market.ticker for market in venue.queries.markets()] == tickers[-2:]
    assert venue.queries.positions("alice") == []
    first = venue.queries.orders("alice")[-1]
    assert (
        venue.cancel("alice", first.exchange_order_id, at_us)[0]
        == venue.cancel("alice", order.exchange_order_id, at_us)[0]
    )


def test_expiries_of_ended_orders_are_dropped(venue: SimulatedExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may be due in years; an order that rests still expires at its time."""
    monkeypatch.setattr("truebook.simulation.venue.lifecycle.MIN_PRUNED", 10)
    venue.lifecycle._pruned_at = 10
    expires_s = START_US // SECOND_US + 10
    lasting = placed(venue, "alice", request(BID, 100, 100, client_order_id="lasting", expiration_s=expires_s))[0]
    for number in range(KEPT - 1 + 60):
        order = request(BID, 200, 100, client_order_id=f"c{number}", expiration_s=expires_s + 10**8)
        venue.cancel("alice", placed(venue, "alice", order)[0].exchange_order_id, START_US)
    assert len(venue.lifecycle._calendar) <= 12
    venue.advance(expires_s * SECOND_US)
    expired = venue.queries.order("alice", lasting.exchange_order_id)
    assert expired is not None and expired.last_update_reason == "ExpiryCancel"
