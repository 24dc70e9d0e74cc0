"""Capture mode: a recorded market fills our orders only by recorded size, and each fill has its basis."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.simulated_exchange import ASK, BID, SECOND_US, START_US, metadata, of_kind, placed, request
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.market_metadata import LINEAR_CENT, MarketStatus, PriceRange
from truebook.simulation.events import (
    Basis,
    Filled,
    LevelChanged,
    MarketChanged,
    OrderChanged,
    Settled,
    SimulationEvent,
    Traded,
)
from truebook.simulation.recorded.replay import MarketReplay
from truebook.simulation.venue.orders import Rejected
from truebook.venue.account import ExchangeFill, OrderStatus, SelfTradePrevention
from truebook.venue.assumed_market import ASSUMED

TICKER = "KXREC-26NOV24-T50"
IOC = TimeInForce.IMMEDIATE_OR_CANCEL

Levels = tuple[tuple[int, int], ...]
BIDS: Levels = ((5_000, 1_000), (4_900, 2_000))
ASKS: Levels = ((5_300, 1_000), (5_400, 2_000))


class Recording:
    """A recording made by the test: one event after another, a millisecond apart."""

    def __init__(self, bids: Levels = BIDS, asks: Levels = ASKS, *, balance: int = 10_000_000_000) -> None:
        self.replay = MarketReplay(1)
        self.venue = self.replay.exchange
        self.venue.open_account("alice", balance)
        self.now_us = START_US
        self.snapshot(bids, asks)

    def _tick(self) -> int:
        self.now_us += 1_000
        return self.now_us

    def snapshot(self, bids: Levels, asks: Levels) -> list[ExchangeFill]:
        return fills_of(self.replay.snapshot(TICKER, bids, asks, self._tick()))

    def delta(self, side: BookSide, price_cc: int, delta_centi: int) -> list[ExchangeFill]:
        return fills_of(self.replay.delta(TICKER, side, price_cc, delta_centi, self._tick()))

    def trade(self, taker_side: BookSide, price_cc: int, size_centi: int) -> list[ExchangeFill]:
        at_us = self._tick()
        trade = Traded(
            at_us=at_us, ticker=TICKER, trade_id=f"t-{at_us}", price_cc=price_cc, size_centi=size_centi,
            taker_side=taker_side,
        )  # fmt: skip
        return fills_of(self.replay.trade(trade))

    def place(
        self, side: BookSide, price_cc: int, size_centi: int, **changes: object
    ) -> tuple[str, list[ExchangeFill]]:
        response, events = placed(
            self.venue, "alice", request(side, price_cc, size_centi, TICKER, **changes), self._tick()
        )
        return response.exchange_order_id, fills_of(events)


def fills_of(events: list[SimulationEvent]) -> list[ExchangeFill]:
    assert not of_kind(events, LevelChanged), "the recording is the public feed"
    return [event.fill for event in of_kind(events, Filled)]


def trades_of(fills: list[ExchangeFill]) -> list[tuple[int, int, str | None]]:
    return [(fill.price_cc, fill.size_centi, fill.basis) for fill in fills]


# Taking on arrival


def test_a_marketable_order_takes_displayed_levels_then_rests() -> None:
    recording = Recording()
    order_id, fills = recording.place(BID, 5_400, 3_500)
    assert trades_of(fills) == [(5_300, 1_000, Basis.BOOK_CROSS), (5_400, 2_000, Basis.BOOK_CROSS)]
    assert all(fill.is_taker for fill in fills)
    order = recording.venue.queries.order("alice", order_id)
    assert order is not None
    assert (order.status, order.remaining_centi) == (OrderStatus.RESTING, 500)


def test_displayed_size_is_taken_once_until_it_grows() -> None:
    recording = Recording()
    assert len(recording.place(BID, 5_300, 600, time_in_force=IOC)[1]) == 1
    assert trades_of(recording.place(BID, 5_300, 600, time_in_force=IOC)[1]) == [(5_300, 400, Basis.BOOK_CROSS)]
    assert recording.place(BID, 5_300, 600, time_in_force=IOC)[1] == []
    recording.snapshot(BIDS, ASKS)
    assert recording.place(BID, 5_300, 600, time_in_force=IOC)[1] == [], (
        "a snapshot of the same level does not refresh it"
    )
    recording.delta(ASK, 5_300, 50)
    assert trades_of(recording.place(BID, 5_300, 600, time_in_force=IOC)[1]) == [(5_300, 50, Basis.BOOK_CROSS)]


def test_a_level_that_was_removed_and_added_is_available() -> None:
    recording = Recording()
    recording.place(BID, 5_300, 1_000, time_in_force=IOC)
    recording.delta(ASK, 5_300, -1_000)
    recording.delta(ASK, 5_300, 700)
    assert trades_of(recording.place(BID, 5_300, 900, time_in_force=IOC)[1]) == [(5_300, 700, Basis.BOOK_CROSS)]


def test_post_only_and_fill_or_kill_check_the_displayed_book() -> None:
    recording = Recording()
    crossing = request(BID, 5_300, 100, TICKER, post_only=True)
    assert recording.venue.place("alice", crossing, recording.now_us)[0] == Rejected(
        400, "invalid_order", "post only cross"
    )
    killed = request(BID, 5_400, 3_001, TICKER, time_in_force=TimeInForce.FILL_OR_KILL)
    response = recording.venue.place("alice", killed, recording.now_us)[0]
    assert isinstance(response, Rejected) and response.code == "fill_or_kill_insufficient_resting_volume"
    _, fills = recording.place(BID, 5_400, 3_000, time_in_force=TimeInForce.FILL_OR_KILL)
    assert sum(fill.size_centi for fill in fills) == 3_000


# Resting in the queue


def test_trades_at_our_price_consume_the_queue_first() -> None:
    recording = Recording()
    order_id, fills = recording.place(BID, 5_000, 500)
    assert fills == []
    assert recording.venue.queries.queue_position("alice", order_id) == 1_000
    assert recording.trade(ASK, 5_000, 800) == []
    assert recording.venue.queries.queue_position("alice", order_id) == 200
    assert trades_of(recording.trade(ASK, 5_000, 350)) == [(5_000, 150, Basis.QUEUE)]
    assert trades_of(recording.trade(ASK, 5_000, 900)) == [(5_000, 350, Basis.QUEUE)]
    order = recording.venue.queries.order("alice", order_id)
    assert order is not None and order.status is OrderStatus.EXECUTED


def test_two_own_orders_share_the_queue_in_the_order_of_their_arrival() -> None:
    recording = Recording()
    first, _ = recording.place(BID, 5_000, 100)
    second, _ = recording.place(BID, 5_000, 100)
    assert recording.venue.queries.queue_position("alice", second) == 1_100
    fills = recording.trade(ASK, 5_000, 1_150)
    assert [(fill.exchange_order_id, fill.size_centi) for fill in fills] == [(first, 100), (second, 50)]


def test_size_cancelled_at_our_price_was_behind_us() -> None:
    recording = Recording()
    order_id, _ = recording.place(BID, 5_000, 100)
    recording.delta(BID, 5_000, 400)
    recording.delta(BID, 5_000, -400)
    assert recording.venue.queries.queue_position("alice", order_id) == 1_000
    recording.delta(BID, 5_000, -300)
    assert recording.venue.queries.queue_position("alice", order_id) == 700, (
        "the queue ahead is at most the displayed size"
    )


def test_a_trade_after_its_delta_is_not_counted_twice() -> None:
    """The delta of a trade may precede the trade: the queue advances once."""
    recording = Recording()
    order_id, _ = recording.place(BID, 5_000, 100)
    recording.delta(BID, 5_000, -600)
    assert recording.trade(ASK, 5_000, 600) == []
    assert recording.venue.queries.queue_position("alice", order_id) == 400
    recording.delta(BID, 5_000, -400)
    assert recording.trade(ASK, 5_000, 400) == [], "the queue ahead took it all"
    assert trades_of(recording.trade(ASK, 5_000, 30)) == [(5_000, 30, Basis.QUEUE)]


def test_a_trade_through_fills_us_at_our_price() -> None:
    recording = Recording()
    recording.place(BID, 5_000, 500)
    assert trades_of(recording.trade(ASK, 4_900, 300)) == [(5_000, 300, Basis.TRADE_THROUGH)]
    assert trades_of(recording.trade(ASK, 4_900, 300)) == [(5_000, 200, Basis.TRADE_THROUGH)]


def test_a_trade_of_a_taker_on_our_own_side_fills_nothing() -> None:
    recording = Recording()
    recording.place(BID, 5_000, 500)
    assert recording.trade(BID, 4_900, 300) == []
    assert recording.trade(BID, 5_000, 3_000) == []


def test_trades_at_a_better_price_than_ours_do_not_reach_us() -> None:
    recording = Recording()
    recording.place(BID, 4_900, 500)
    assert recording.trade(ASK, 5_000, 5_000) == []


@pytest.mark.parametrize(("price_cc", "filled"), [(5_000, []), (4_900, [(5_000, 400, Basis.BOOK_CROSS)])])
def test_without_trades_only_a_strict_cross_fills(price_cc: int, filled: list[tuple[int, int, Basis]]) -> None:
    recording = Recording()
    recording.place(BID, 5_000, 500)
    recording.snapshot((), ())
    assert trades_of(recording.delta(ASK, price_cc, 400)) == filled


def test_crossing_liquidity_is_used_up_by_the_fill() -> None:
    recording = Recording()
    recording.place(BID, 5_000, 300)
    recording.place(BID, 5_100, 300)
    recording.snapshot((), ())
    assert trades_of(recording.delta(ASK, 4_900, 400)) == [
        (5_100, 300, Basis.BOOK_CROSS),
        (5_000, 100, Basis.BOOK_CROSS),
    ]
    assert recording.snapshot((), ((4_900, 400),)) == []
    assert trades_of(recording.delta(ASK, 4_900, 250)) == [(5_000, 200, Basis.BOOK_CROSS)]


def test_asks_are_treated_as_bids_are() -> None:
    recording = Recording()
    order_id, _ = recording.place(ASK, 5_300, 500)
    assert recording.venue.queries.queue_position("alice", order_id) == 1_000
    assert trades_of(recording.trade(BID, 5_300, 1_100)) == [(5_300, 100, Basis.QUEUE)]
    assert trades_of(recording.trade(BID, 5_400, 150)) == [(5_300, 150, Basis.TRADE_THROUGH)]
    recording.snapshot((), ())
    assert trades_of(recording.delta(BID, 5_400, 1_000)) == [(5_300, 250, Basis.BOOK_CROSS)]


# Own orders on both sides, inconsistent books, time


def test_own_orders_on_both_sides_never_match() -> None:
    recording = Recording()
    own, _ = recording.place(ASK, 5_200, 100)
    stopped, fills = recording.place(BID, 5_300, 100)
    assert fills == []
    order = recording.venue.queries.order("alice", stopped)
    assert order is not None and order.last_update_reason == "SelfTradeCancel"
    _, fills = recording.place(BID, 5_300, 100, self_trade_prevention=SelfTradePrevention.MAKER)
    assert trades_of(fills) == [(5_300, 100, Basis.BOOK_CROSS)]
    ended = recording.venue.queries.order("alice", own)
    assert ended is not None and ended.status is OrderStatus.CANCELED


def test_an_inconsistent_delta_stops_fills_until_a_snapshot() -> None:
    recording = Recording()
    order_id, _ = recording.place(BID, 5_000, 100)
    recording.delta(ASK, 5_300, -5_000)
    assert recording.place(BID, 5_400, 100, time_in_force=IOC)[1] == []
    assert recording.delta(ASK, 4_000, 100) == []
    recording.snapshot(((5_000, 300),), ASKS)
    assert recording.venue.queries.queue_position("alice", order_id) == 300
    assert len(recording.place(BID, 5_300, 100, time_in_force=IOC)[1]) == 1


def test_an_unseen_while_moves_no_queue_and_refreshes_nothing() -> None:
    """After lost frames the book is empty until the next snapshot; queue and taken size are kept."""
    recording = Recording()
    order_id, _ = recording.place(BID, 5_000, 100)
    recording.place(BID, 5_300, 1_000, time_in_force=IOC)
    recording.snapshot((), ())
    recording.snapshot(BIDS, ASKS)
    assert recording.venue.queries.queue_position("alice", order_id) == 1_000
    assert recording.place(BID, 5_300, 100, time_in_force=IOC)[1] == []


def test_an_order_expires_before_a_later_frame() -> None:
    recording = Recording()
    recording.place(BID, 5_000, 100, expiration_s=START_US // SECOND_US + 1)
    recording.now_us += 2 * SECOND_US
    assert recording.trade(ASK, 4_000, 1_000) == []
    assert recording.venue.queries.orders("alice", status=OrderStatus.RESTING) == []


# Market metadata


def test_metadata_missing_in_a_bare_recording_is_assumed() -> None:
    market = Recording().venue.queries.market(TICKER)
    assert market is not None
    assert market.assumed == ASSUMED
    assert (market.event, market.series) == ("KXREC-26NOV24", "KXREC")
    assert (market.status, market.price_ranges, market.exclusive) == (MarketStatus.ACTIVE, LINEAR_CENT, False)


def test_an_assumed_grid_becomes_finer_with_the_prices_seen() -> None:
    recording = Recording()
    assert isinstance(recording.venue.place("alice", request(BID, 5_010, 100, TICKER), recording.now_us)[0], Rejected)
    recording.delta(BID, 5_020, 100)
    market = recording.venue.queries.market(TICKER)
    assert market is not None and market.price_ranges == (PriceRange(0, 10_000, 10),)
    recording.place(BID, 5_010, 100)
    recording.delta(BID, 5_021, 100)
    recording.place(BID, 5_011, 100)


def test_recorded_metadata_and_close_are_used() -> None:
    known = metadata(TICKER, close_us=START_US + 10 * SECOND_US)
    replay = MarketReplay(1, [known])
    venue = replay.exchange
    venue.open_account("alice", 1_000_000_000)
    listed = replay.begin(START_US)
    assert [event.metadata.assumed for event in of_kind(listed, MarketChanged)] == [()]
    placed(venue, "alice", request(BID, 5_000, 100, TICKER), START_US)
    events = venue.advance(START_US + 10 * SECOND_US)
    assert of_kind(events, OrderChanged)[0].order.last_update_reason == "CloseCancel"
    market = venue.queries.market(TICKER)
    assert market is not None
    assert (market.status, market.settlement_cc) == (MarketStatus.CLOSED, None), "no outcome is recorded"


def test_a_recorded_outcome_is_paid_at_the_recorded_close() -> None:
    known = metadata(TICKER, close_us=START_US + 10 * SECOND_US, status=MarketStatus.FINALIZED, settlement_cc=10_000)
    replay = MarketReplay(1, [known])
    replay.exchange.open_account("alice", 1_000_000_000)
    replay.snapshot(TICKER, BIDS, ASKS, START_US)
    placed(replay.exchange, "alice", request(BID, 5_300, 100, TICKER), START_US)
    before = replay.snapshot(TICKER, BIDS, ASKS, START_US + 10 * SECOND_US - 1)
    assert of_kind(before, Settled) == []
    events = replay.exchange.advance(START_US + 10 * SECOND_US)  # no later event is needed
    assert [settled.settlement.settlement_cc for settled in of_kind(events, Settled)] == [10_000]
    assert replay.exchange.queries.positions("alice") == []


def test_fees_and_collateral_are_the_simulated_exchanges() -> None:
    recording = Recording(balance=6_000_000)
    _, fills = recording.place(BID, 5_300, 1_000)
    assert [fill.fee_micros for fill in fills] == [174_400]
    assert recording.venue.queries.balance("alice").balance_micros == 6_000_000 - 5_300_000 - 174_400
    refused, _ = recording.venue.place("alice", request(BID, 5_000, 200, TICKER), recording.now_us)
    assert isinstance(refused, Rejected) and refused.code == "insufficient_balance"


FRAMES = st.one_of(
    st.tuples(st.just("delta"), st.sampled_from([BID, ASK]), st.integers(48, 55), st.integers(-400, 400)),
    st.tuples(st.just("trade"), st.sampled_from([BID, ASK]), st.integers(48, 55), st.integers(1, 400)),
    st.tuples(st.just("place"), st.sampled_from([BID, ASK]), st.integers(48, 55), st.integers(1, 400)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(FRAMES, min_size=5, max_size=60))
def test_fills_never_exceed_recorded_size_and_use_it_once(
    script: list[tuple[str, BookSide, int, int]],
) -> None:
    """All fills together are covered by recorded trades and added displayed size."""
    recording = Recording()
    shown = sum(size for _, size in (*BIDS, *ASKS))
    traded = taken = through = 0
    for kind, side, cents, size in script:
        if kind == "delta":
            current = recording.venue.queries.book(TICKER).size_at(side, cents * 100)
            book = recording.venue.queries.book(TICKER)
            opposite = book.best(side.other)
            crosses = opposite is not None and (
                cents * 100 >= opposite[0] if side is BID else cents * 100 <= opposite[0]
            )
            if size + current < 0 or size == 0 or (size > 0 and crosses):
                continue
            shown += max(0, size)
            fills = recording.delta(side, cents * 100, size)
            assert sum(fill.size_centi for fill in fills) <= max(0, size)
            taken += sum(fill.size_centi for fill in fills)
        elif kind == "trade":
            traded += size
            fills = recording.trade(side, cents * 100, size)
            assert sum(fill.size_centi for fill in fills) <= size
            through += sum(fill.size_centi for fill in fills)
        else:
            _, fills = recording.place(side, cents * 100, size)
            taken += sum(fill.size_centi for fill in fills)
    assert taken <= shown
    assert through <= traded
