"""Matching: price-time priority, prices, times in force, self-trade prevention."""

from __future__ import annotations

import pytest

from support.simulated_exchange import ASK, BID, START_US, TICKER, exchange, of_kind, placed, request
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.simulation.events import Basis, Filled, LevelChanged, OrderChanged, Traded
from truebook.simulation.venue.orders import Rejected
from truebook.venue.account import OrderStatus, SelfTradePrevention

IOC, FOK = TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL


def test_price_time_priority_at_the_resting_price() -> None:
    venue = exchange(accounts=dict.fromkeys(("a", "b", "c", "d"), 1_000_000_000))
    first, _ = placed(venue, "a", request(ASK, 5_500, 300))
    second, _ = placed(venue, "b", request(ASK, 5_500, 300))
    third, _ = placed(venue, "c", request(ASK, 5_400, 100))
    _, events = placed(venue, "d", request(BID, 6_000, 500))
    fills = [event.fill for event in of_kind(events, Filled) if event.account != "d"]
    assert [(fill.exchange_order_id, fill.price_cc, fill.size_centi) for fill in fills] == [
        (third.exchange_order_id, 5_400, 100),
        (first.exchange_order_id, 5_500, 300),
        (second.exchange_order_id, 5_500, 100),
    ]


def test_the_books_change_precedes_the_trade_and_its_fills() -> None:
    venue = exchange()
    placed(venue, "alice", request(ASK, 5_500, 300))
    _, events = placed(venue, "bob", request(BID, 5_500, 500))
    assert [type(event) for event in events] == [
        OrderChanged,  # bob's, with its state after matching
        LevelChanged,  # alice's level is removed
        Traded,
        OrderChanged,  # alice's
        Filled,
        Filled,
        LevelChanged,  # bob's remainder rests
    ]
    assert len({event.at_us for event in events}) == 1
    taker = of_kind(events, OrderChanged)[0]
    assert (taker.account, taker.order.filled_centi, taker.order.remaining_centi) == ("bob", 300, 200)
    assert [event.post_position_centi for event in of_kind(events, Filled)] == [-300, 300]
    assert {event.basis for event in of_kind(events, Filled)} == {Basis.SYNTHETIC}


def test_level_changes_have_their_cause_and_the_clock() -> None:
    venue = exchange()
    _, rested = placed(venue, "alice", request(ASK, 5_500, 300, client_order_id="mine"))
    _, traded = placed(venue, "bob", request(BID, 5_500, 100, client_order_id="his"))
    changes = [*of_kind(rested, LevelChanged), *of_kind(traded, LevelChanged)]
    assert [(one.account, one.client_order_id, one.delta_centi, one.clock) for one in changes] == [
        ("alice", "mine", 300, 1),
        ("bob", "his", -100, 2),
    ]
    assert venue.queries.clock_of(TICKER) == 2


def test_an_immediate_or_cancel_order_never_rests() -> None:
    venue = exchange()
    placed(venue, "alice", request(ASK, 5_500, 100))
    response, _ = placed(venue, "bob", request(BID, 5_500, 300, time_in_force=IOC))
    assert (response.filled_centi, response.remaining_centi) == (100, 0)
    order = venue.queries.order("bob", response.exchange_order_id)
    assert order is not None
    assert (order.status, order.filled_centi, order.remaining_centi) == (OrderStatus.CANCELED, 100, 0)
    assert venue.queries.book(TICKER).levels(BID) == []


def test_fill_or_kill_trades_in_full_or_not_at_all() -> None:
    venue = exchange()
    placed(venue, "alice", request(ASK, 5_500, 100))
    killed = request(BID, 5_500, 101, time_in_force=FOK)
    assert venue.place("bob", killed, START_US) == (
        Rejected(409, "fill_or_kill_insufficient_resting_volume", "fill or kill insufficient resting volume"),
        [],
    )
    again = venue.place("bob", killed, START_US)[0]
    assert isinstance(again, Rejected) and again.code == "order_already_exists"
    response, _ = placed(venue, "bob", request(BID, 5_500, 100, time_in_force=FOK))
    assert response.filled_centi == 100


def test_fill_or_kill_excludes_own_resting_size() -> None:
    venue = exchange()
    placed(venue, "bob", request(ASK, 5_400, 100))
    placed(venue, "alice", request(ASK, 5_500, 100))
    stops = request(BID, 5_500, 100, time_in_force=FOK)
    assert isinstance(venue.place("bob", stops, START_US)[0], Rejected)
    passes = request(BID, 5_500, 100, time_in_force=FOK, self_trade_prevention=SelfTradePrevention.MAKER)
    response, _ = placed(venue, "bob", passes)
    assert response.filled_centi == 100


def test_a_post_only_order_that_would_cross_is_rejected() -> None:
    venue = exchange()
    placed(venue, "alice", request(ASK, 5_500, 100))
    crossing = request(BID, 5_500, 100, post_only=True)
    assert venue.place("bob", crossing, START_US) == (Rejected(400, "invalid_order", "post only cross"), [])
    assert venue.queries.orders("bob") == []
    response, _ = placed(venue, "bob", request(BID, 5_400, 100, post_only=True))
    assert response.remaining_centi == 100


@pytest.mark.parametrize("side", [BID, ASK])
def test_taker_at_cross_keeps_fills_and_cancels_the_taker(side: BookSide) -> None:
    venue = exchange()
    near, far = (5_400, 5_500) if side is BID else (5_500, 5_400)
    placed(venue, "alice", request(side.other, near, 100))
    own, _ = placed(venue, "bob", request(side.other, far, 100))
    response, events = placed(venue, "bob", request(side, far, 300))
    assert (response.filled_centi, response.remaining_centi) == (100, 0)
    ended = of_kind(events, OrderChanged)[0].order
    assert (ended.status, ended.last_update_reason) == (OrderStatus.CANCELED, "SelfTradeCancel")
    resting = venue.queries.order("bob", own.exchange_order_id)
    assert resting is not None and resting.status is OrderStatus.RESTING


def test_maker_prevention_cancels_the_resting_order() -> None:
    venue = exchange()
    own, _ = placed(venue, "bob", request(ASK, 5_400, 100))
    placed(venue, "alice", request(ASK, 5_500, 100))
    response, _ = placed(venue, "bob", request(BID, 5_500, 300, self_trade_prevention=SelfTradePrevention.MAKER))
    assert (response.filled_centi, response.remaining_centi) == (100, 200)
    ended = venue.queries.order("bob", own.exchange_order_id)
    assert ended is not None
    assert (ended.status, ended.last_update_reason) == (OrderStatus.CANCELED, "SelfTradeCancel")
    assert venue.queries.book(TICKER).best(BID) == (5_500, 200)


def test_the_queue_position_is_the_size_ahead_at_the_price() -> None:
    venue = exchange(accounts=dict.fromkeys(("alice", "bob", "carol"), 1_000_000_000))
    placed(venue, "alice", request(BID, 5_000, 100))
    placed(venue, "alice", request(BID, 4_900, 150))
    mine, _ = placed(venue, "bob", request(BID, 4_900, 100))
    assert venue.queries.queue_position("bob", mine.exchange_order_id) == 150
    placed(venue, "carol", request(ASK, 4_900, 120))
    assert venue.queries.queue_position("bob", mine.exchange_order_id) == 130
    venue.cancel("bob", mine.exchange_order_id, START_US)
    assert venue.queries.queue_position("bob", mine.exchange_order_id) is None


def test_trades_are_public_and_newest_first() -> None:
    venue = exchange()
    placed(venue, "alice", request(ASK, 5_500, 100))
    placed(venue, "alice", request(ASK, 5_600, 100))
    placed(venue, "bob", request(BID, 5_600, 150))
    assert [(trade.price_cc, trade.size_centi, trade.taker_side) for trade in venue.queries.trades(TICKER, 10)] == [
        (5_600, 50, BID),
        (5_500, 100, BID),
    ]
    assert len(venue.queries.trades(None, 1)) == 1
    market = venue.queries.market(TICKER)
    assert market is not None and market.volume_centi == 150


def test_equal_commands_give_equal_events_ids_included() -> None:
    def run() -> list[object]:
        venue = exchange()
        results: list[object] = []
        for number, (account, side) in enumerate([("alice", ASK), ("bob", BID), ("alice", BID), ("bob", ASK)]):
            order = request(side, 5_500, 100 + number, client_order_id=f"n-{number}")
            results.append(venue.place(account, order, START_US + number))
        return results

    assert run() == run()
