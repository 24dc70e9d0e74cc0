"""Rejections, and the ends of orders: cancel, expiry, the market's close; settlement."""

from __future__ import annotations

from typing import Any

import pytest

from support.simulated_exchange import (
    ASK,
    BID,
    SECOND_US,
    START_US,
    TICKER,
    exchange,
    metadata,
    of_kind,
    placed,
    request,
)
from truebook.messages.envelope import TimeInForce
from truebook.messages.market_metadata import FeeType, MarketStatus, PriceRange
from truebook.simulation.events import LevelChanged, MarketChanged, OrderChanged, Settled
from truebook.simulation.venue.account_book import UnknownAccount
from truebook.simulation.venue.orders import Rejected
from truebook.venue.account import CancelResponse, OrderStatus

IOC = TimeInForce.IMMEDIATE_OR_CANCEL
START_S = START_US // SECOND_US


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"price_cc": 5_550}, 400, "invalid_price"),
        ({"price_cc": 0}, 400, "invalid_price"),
        ({"price_cc": 10_000}, 400, "invalid_price"),
        ({"size_centi": 0}, 400, "invalid_order_size"),
        ({"ticker": "SIMTEST-9-Z"}, 404, "market_not_found"),
        ({"expiration_s": START_S}, 400, "invalid_parameters"),
        ({"expiration_s": START_S + 5, "time_in_force": IOC}, 400, "invalid_parameters"),
        ({"reduce_only": True}, 400, "invalid_parameters"),
        ({"post_only": True, "time_in_force": IOC}, 400, "invalid_parameters"),
        ({"size_centi": 200_000}, 400, "insufficient_balance"),
    ],
)
def test_an_invalid_order_does_not_use_up_its_id(changes: dict[str, Any], status: int, code: str) -> None:
    venue = exchange()
    fields: dict[str, Any] = {"side": BID, "price_cc": 5_500, "size_centi": 100, "client_order_id": "once"}
    response, events = venue.place("alice", request(**{**fields, **changes}), START_US)
    assert isinstance(response, Rejected)
    assert (response.status, response.code, events) == (status, code, [])
    placed(venue, "alice", request(**fields))


def test_the_smallest_size_and_sub_cent_prices_trade() -> None:
    venue = exchange(metadata(price_ranges=(PriceRange(0, 10_000, 1),)))
    placed(venue, "alice", request(ASK, 5_551, 1))
    response, _ = placed(venue, "bob", request(BID, 5_551, 1))
    assert response.filled_centi == 1


def test_a_market_with_an_unsupported_fee_takes_no_orders() -> None:
    response, _ = exchange(metadata(fee_type=FeeType.FLAT)).place("alice", request(BID, 5_000, 100), START_US)
    assert isinstance(response, Rejected) and response.code == "invalid_parameters"


def test_a_client_order_id_cannot_be_reused_after_a_cancel() -> None:
    venue = exchange()
    response, _ = placed(venue, "alice", request(BID, 5_000, 100, client_order_id="once"))
    venue.cancel("alice", response.exchange_order_id, START_US)
    repeated, _ = venue.place("alice", request(BID, 5_000, 100, client_order_id="once"), START_US)
    assert isinstance(repeated, Rejected)
    assert (repeated.status, repeated.code) == (409, "order_already_exists")
    placed(venue, "bob", request(BID, 5_000, 100, client_order_id="once"))


def test_a_cancel_returns_its_size_and_works_once() -> None:
    venue = exchange()
    placed(venue, "bob", request(ASK, 5_000, 40))
    response, _ = placed(venue, "alice", request(BID, 5_000, 100))
    cancelled, events = venue.cancel("alice", response.exchange_order_id, START_US + 5)
    assert isinstance(cancelled, CancelResponse)
    assert (cancelled.reduced_centi, cancelled.processed_us) == (60, START_US + 5)
    assert [type(event) for event in events] == [OrderChanged, LevelChanged]
    order = venue.queries.order("alice", response.exchange_order_id)
    assert order is not None
    assert (order.status, order.filled_centi, order.remaining_centi) == (OrderStatus.CANCELED, 40, 0)
    for order_id in (response.exchange_order_id, "unknown"):
        refused, _ = venue.cancel("alice", order_id, START_US + 6)
        assert isinstance(refused, Rejected) and refused.code == "not_found"


def test_another_accounts_order_cannot_be_cancelled() -> None:
    venue = exchange()
    response, _ = placed(venue, "alice", request(BID, 5_000, 100))
    refused, _ = venue.cancel("bob", response.exchange_order_id, START_US)
    assert isinstance(refused, Rejected) and refused.code == "not_found"


def test_cancel_all_cancels_the_orders_of_one_account() -> None:
    venue = exchange(metadata(), metadata("SIMTEST-1-B"))
    placed(venue, "alice", request(BID, 5_000, 100))
    placed(venue, "alice", request(BID, 4_000, 100, "SIMTEST-1-B"))
    placed(venue, "bob", request(BID, 4_900, 100))
    venue.cancel_all("alice", START_US)
    assert venue.queries.orders("alice", status=OrderStatus.RESTING) == []
    assert len(venue.queries.orders("bob", status=OrderStatus.RESTING)) == 1
    assert venue.queries.held_micros("alice") == 0


def test_orders_are_listed_newest_first_and_filtered() -> None:
    venue = exchange(metadata(), metadata("SIMTEST-1-B"))
    ids = [
        placed(venue, "alice", request(BID, 5_000 - 100 * number, 100, ticker))[0].exchange_order_id
        for number, ticker in enumerate([TICKER, "SIMTEST-1-B", TICKER])
    ]
    venue.cancel("alice", ids[0], START_US)
    assert [order.exchange_order_id for order in venue.queries.orders("alice")] == ids[::-1]
    resting = venue.queries.orders("alice", status=OrderStatus.RESTING)
    assert [order.exchange_order_id for order in resting] == [ids[2], ids[1]]
    assert [order.exchange_order_id for order in venue.queries.orders("alice", ticker=TICKER)] == [ids[2], ids[0]]


def test_an_order_expires_at_its_second() -> None:
    venue = exchange()
    response, _ = placed(venue, "alice", request(BID, 5_000, 100, expiration_s=START_S + 3))
    expiry_us = START_US + 3 * SECOND_US
    assert venue.next_due_us() == expiry_us
    assert venue.advance(expiry_us - 1) == []
    events = venue.advance(expiry_us + 500)
    ended = of_kind(events, OrderChanged)[0]
    assert (ended.at_us, ended.order.last_update_reason) == (expiry_us, "ExpiryCancel")
    assert venue.queries.order("alice", response.exchange_order_id) == ended.order
    assert venue.queries.book(TICKER).levels(BID) == []


def test_entries_due_before_a_command_are_executed_first() -> None:
    """A taker after an order's expiry does not match it, even if the time was not advanced before."""
    venue = exchange()
    placed(venue, "alice", request(BID, 5_000, 100, expiration_s=START_S + 3))
    response, events = placed(venue, "bob", request(ASK, 5_000, 100), START_US + 4 * SECOND_US)
    assert response.filled_centi == 0
    assert isinstance(events[0], OrderChanged) and events[0].account == "alice"


def test_the_close_cancels_orders_and_rejects_operations() -> None:
    venue = exchange(metadata(close_us=START_US + 10 * SECOND_US))
    response, _ = placed(venue, "alice", request(BID, 5_000, 100))
    events = venue.advance(START_US + 10 * SECOND_US)
    assert of_kind(events, OrderChanged)[0].order.last_update_reason == "CloseCancel"
    market = venue.queries.market(TICKER)
    assert market is not None and market.status is MarketStatus.CLOSED
    refused = [
        venue.place("alice", request(BID, 5_000, 100), START_US + 11 * SECOND_US)[0],
        venue.cancel("alice", response.exchange_order_id, START_US + 11 * SECOND_US)[0],
    ]
    assert [(one.status, one.code) for one in refused if isinstance(one, Rejected)] == [(409, "market_closed")] * 2


def test_a_market_opens_closes_and_pays_after_the_delay() -> None:
    venue = exchange(metadata(open_us=START_US + SECOND_US, close_us=START_US + 10 * SECOND_US))
    early, _ = venue.place("alice", request(BID, 5_000, 100), START_US)
    assert isinstance(early, Rejected) and early.code == "market_closed"
    placed(venue, "alice", request(BID, 5_000, 100), START_US + SECOND_US)
    placed(venue, "bob", request(ASK, 5_000, 100), START_US + SECOND_US)
    determined = venue.lifecycle.determine(TICKER, 10_000, START_US + 11 * SECOND_US)
    assert [event.event_type for event in of_kind(determined, MarketChanged)] == ["determined"]
    assert venue.advance(START_US + 13 * SECOND_US - 1) == []
    settled = venue.advance(START_US + 13 * SECOND_US)
    assert [event.event_type for event in of_kind(settled, MarketChanged)] == ["settled"]
    payouts = {event.account: event.settlement for event in of_kind(settled, Settled)}
    assert (payouts["alice"].yes_centi, payouts["alice"].revenue_micros) == (100, 1_000_000)
    assert (payouts["bob"].no_centi, payouts["bob"].revenue_micros) == (100, 0)
    assert venue.queries.positions("alice") == []
    market = venue.queries.market(TICKER)
    assert market is not None
    assert (market.status, market.settlement_cc) == (MarketStatus.FINALIZED, 10_000)


def test_a_market_is_determined_once() -> None:
    venue = exchange()
    venue.lifecycle.determine(TICKER, 0, START_US)
    with pytest.raises(ValueError, match="determined"):
        venue.lifecycle.determine(TICKER, 10_000, START_US)


def test_a_close_can_move_in_both_directions() -> None:
    venue = exchange(metadata(close_us=START_US + 10 * SECOND_US))
    moved = venue.lifecycle.move_close(TICKER, START_US + 20 * SECOND_US, START_US)
    assert [event.event_type for event in of_kind(moved, MarketChanged)] == ["close_date_updated"]
    venue.advance(START_US + 19 * SECOND_US)
    placed(venue, "alice", request(BID, 5_000, 100), START_US + 19 * SECOND_US)
    venue.lifecycle.move_close(TICKER, START_US + 19 * SECOND_US + 5, START_US + 19 * SECOND_US)
    venue.advance(START_US + 19 * SECOND_US + 5)
    market = venue.queries.market(TICKER)
    assert market is not None and market.status is MarketStatus.CLOSED


def test_reduce_only_is_limited_to_the_position() -> None:
    venue = exchange()
    placed(venue, "bob", request(BID, 5_000, 1_000))
    nothing, events = placed(venue, "alice", request(ASK, 5_000, 300, time_in_force=IOC, reduce_only=True))
    assert (nothing.filled_centi, nothing.remaining_centi) == (0, 0)
    assert of_kind(events, OrderChanged)[0].order.last_update_reason == "ReduceOnlyCancel"
    placed(venue, "bob", request(ASK, 6_000, 200))
    placed(venue, "alice", request(BID, 6_000, 200))
    capped, _ = placed(venue, "alice", request(ASK, 5_000, 300, time_in_force=IOC, reduce_only=True))
    assert (capped.filled_centi, capped.remaining_centi) == (200, 0)
    assert venue.queries.positions("alice") == []


def test_an_unknown_account_raises() -> None:
    with pytest.raises(UnknownAccount):
        exchange().queries.balance("unknown")
