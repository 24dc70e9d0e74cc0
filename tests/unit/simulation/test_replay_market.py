"""Capture mode: a recorded market fills our orders only for what it shows, and says on what basis."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.simulated_exchange import ASK, BID, SECOND_US, START_US, facts, of_kind, placed, request
from truebook.kalshi.port import DeltaFrame, SnapshotFrame, TradeFrame
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.facts import LINEAR_CENT, MarketStatus, PriceRange
from truebook.simulation.events import Basis, Filled, LevelChanged, MarketChanged, OrderChanged, SimulationEvent
from truebook.simulation.orders import Rejected
from truebook.simulation.replay_market import ASSUMED, CaptureMarket
from truebook.venue.account import ExchangeFill, OrderStatus, SelfTradePrevention

TICKER = "KXREC-26NOV24-T50"
IOC = TimeInForce.IMMEDIATE_OR_CANCEL

Levels = tuple[tuple[int, int], ...]
BIDS: Levels = ((5_000, 1_000), (4_900, 2_000))
ASKS: Levels = ((5_300, 1_000), (5_400, 2_000))


class Tape:
    """A recording as the test tells it: one frame after the other, a millisecond apart."""

    def __init__(self, bids: Levels = BIDS, asks: Levels = ASKS, *, balance: int = 10_000_000_000) -> None:
        self.venue = CaptureMarket(1)
        self.venue.open_account("alice", balance)
        self.now_us = START_US
        self.snapshot(bids, asks)

    def _tick(self) -> int:
        self.now_us += 1_000
        return self.now_us

    def snapshot(self, bids: Levels, asks: Levels) -> list[ExchangeFill]:
        frame = SnapshotFrame(sid=1, seq=1, received_us=0, ticker=TICKER, bids=bids, asks=asks, exchange_us=None)
        return fills_of(self.venue.feed(frame, self._tick()))

    def delta(self, side: BookSide, price_cc: int, delta_centi: int) -> list[ExchangeFill]:
        frame = DeltaFrame(
            sid=1, seq=1, received_us=0, ticker=TICKER, book_side=side, price_cc=price_cc, delta_centi=delta_centi,
            exchange_us=None,
        )  # fmt: skip
        return fills_of(self.venue.feed(frame, self._tick()))

    def trade(self, taker_side: BookSide, price_cc: int, size_centi: int) -> list[ExchangeFill]:
        at_us = self._tick()
        frame = TradeFrame(
            sid=2, seq=1, received_us=0, ticker=TICKER, trade_id=f"t-{at_us}", price_cc=price_cc,
            size_centi=size_centi, taker_side=taker_side, exchange_us=at_us,
        )  # fmt: skip
        return fills_of(self.venue.feed(frame, at_us))

    def place(
        self, side: BookSide, price_cc: int, size_centi: int, **changes: object
    ) -> tuple[str, list[ExchangeFill]]:
        answer, events = placed(
            self.venue, "alice", request(side, price_cc, size_centi, TICKER, **changes), self._tick()
        )
        return answer.exchange_order_id, fills_of(events)


def fills_of(events: list[SimulationEvent]) -> list[ExchangeFill]:
    assert not of_kind(events, LevelChanged), "the recording is the public feed"
    return [event.fill for event in of_kind(events, Filled)]


def told(fills: list[ExchangeFill]) -> list[tuple[int, int, str | None]]:
    return [(fill.price_cc, fill.size_centi, fill.basis) for fill in fills]


# Taking on arrival


def test_a_marketable_order_takes_displayed_levels_at_their_prices_and_rests_with_the_remainder() -> None:
    tape = Tape()
    order_id, fills = tape.place(BID, 5_400, 3_500)
    assert told(fills) == [(5_300, 1_000, Basis.BOOK_CROSS), (5_400, 2_000, Basis.BOOK_CROSS)]
    assert all(fill.is_taker for fill in fills)
    order = tape.venue.order("alice", order_id)
    assert order is not None
    assert (order.status, order.remaining_centi) == (OrderStatus.RESTING, 500)


def test_displayed_size_is_taken_once_until_the_level_grows_again() -> None:
    tape = Tape()
    assert len(tape.place(BID, 5_300, 600, time_in_force=IOC)[1]) == 1
    assert told(tape.place(BID, 5_300, 600, time_in_force=IOC)[1]) == [(5_300, 400, Basis.BOOK_CROSS)]
    assert tape.place(BID, 5_300, 600, time_in_force=IOC)[1] == []
    tape.snapshot(BIDS, ASKS)
    assert tape.place(BID, 5_300, 600, time_in_force=IOC)[1] == [], "showing a level again does not refresh it"
    tape.delta(ASK, 5_300, 50)
    assert told(tape.place(BID, 5_300, 600, time_in_force=IOC)[1]) == [(5_300, 50, Basis.BOOK_CROSS)]


def test_a_level_that_went_and_came_back_is_fresh() -> None:
    tape = Tape()
    tape.place(BID, 5_300, 1_000, time_in_force=IOC)
    tape.delta(ASK, 5_300, -1_000)
    tape.delta(ASK, 5_300, 700)
    assert told(tape.place(BID, 5_300, 900, time_in_force=IOC)[1]) == [(5_300, 700, Basis.BOOK_CROSS)]


def test_post_only_and_fill_or_kill_look_at_the_displayed_book() -> None:
    tape = Tape()
    crossing = request(BID, 5_300, 100, TICKER, post_only=True)
    assert tape.venue.place("alice", crossing, tape.now_us)[0] == Rejected(400, "invalid_order", "post only cross")
    killed = request(BID, 5_400, 3_001, TICKER, time_in_force=TimeInForce.FILL_OR_KILL)
    answer = tape.venue.place("alice", killed, tape.now_us)[0]
    assert isinstance(answer, Rejected) and answer.code == "fill_or_kill_insufficient_resting_volume"
    _, fills = tape.place(BID, 5_400, 3_000, time_in_force=TimeInForce.FILL_OR_KILL)
    assert sum(fill.size_centi for fill in fills) == 3_000


# Resting in the queue


def test_an_order_rests_behind_what_is_displayed_and_trades_at_its_price_work_the_queue_off() -> None:
    tape = Tape()
    order_id, fills = tape.place(BID, 5_000, 500)
    assert fills == []
    assert tape.venue.queue_position("alice", order_id) == 1_000
    assert tape.trade(ASK, 5_000, 800) == []
    assert tape.venue.queue_position("alice", order_id) == 200
    assert told(tape.trade(ASK, 5_000, 350)) == [(5_000, 150, Basis.QUEUE)]
    assert told(tape.trade(ASK, 5_000, 900)) == [(5_000, 350, Basis.QUEUE)]
    order = tape.venue.order("alice", order_id)
    assert order is not None and order.status is OrderStatus.EXECUTED


def test_two_own_orders_share_the_queue_in_the_order_of_their_arrival() -> None:
    tape = Tape()
    first, _ = tape.place(BID, 5_000, 100)
    second, _ = tape.place(BID, 5_000, 100)
    assert tape.venue.queue_position("alice", second) == 1_100
    fills = tape.trade(ASK, 5_000, 1_150)
    assert [(fill.exchange_order_id, fill.size_centi) for fill in fills] == [(first, 100), (second, 50)]


def test_what_leaves_the_level_without_a_trade_stood_behind_us_as_far_as_possible() -> None:
    tape = Tape()
    order_id, _ = tape.place(BID, 5_000, 100)
    tape.delta(BID, 5_000, 400)
    tape.delta(BID, 5_000, -400)
    assert tape.venue.queue_position("alice", order_id) == 1_000
    tape.delta(BID, 5_000, -300)
    assert tape.venue.queue_position("alice", order_id) == 700, "what is not displayed cannot stand before us"


def test_a_trade_that_the_book_has_told_before_is_not_counted_twice() -> None:
    """The delta of a trade may come before the trade itself: the queue moves once."""
    tape = Tape()
    order_id, _ = tape.place(BID, 5_000, 100)
    tape.delta(BID, 5_000, -600)
    assert tape.trade(ASK, 5_000, 600) == []
    assert tape.venue.queue_position("alice", order_id) == 400
    tape.delta(BID, 5_000, -400)
    assert tape.trade(ASK, 5_000, 400) == [], "the queue before us took it all"
    assert told(tape.trade(ASK, 5_000, 30)) == [(5_000, 30, Basis.QUEUE)]


def test_a_trade_through_our_price_fills_us_at_our_price_up_to_its_size() -> None:
    tape = Tape()
    tape.place(BID, 5_000, 500)
    assert told(tape.trade(ASK, 4_900, 300)) == [(5_000, 300, Basis.TRADE_THROUGH)]
    assert told(tape.trade(ASK, 4_900, 300)) == [(5_000, 200, Basis.TRADE_THROUGH)]


def test_a_trade_of_a_taker_on_our_own_side_fills_nothing() -> None:
    tape = Tape()
    tape.place(BID, 5_000, 500)
    assert tape.trade(BID, 4_900, 300) == []
    assert tape.trade(BID, 5_000, 3_000) == []


def test_trades_at_a_better_price_than_ours_do_not_reach_us() -> None:
    tape = Tape()
    tape.place(BID, 4_900, 500)
    assert tape.trade(ASK, 5_000, 5_000) == []


@pytest.mark.parametrize(("price_cc", "filled"), [(5_000, []), (4_900, [(5_000, 400, Basis.BOOK_CROSS)])])
def test_without_trades_only_a_strict_cross_of_the_recorded_book_fills(
    price_cc: int, filled: list[tuple[int, int, Basis]]
) -> None:
    tape = Tape()
    tape.place(BID, 5_000, 500)
    tape.snapshot((), ())
    assert told(tape.delta(ASK, price_cc, 400)) == filled


def test_crossing_liquidity_is_used_up_by_the_fill() -> None:
    tape = Tape()
    tape.place(BID, 5_000, 300)
    tape.place(BID, 5_100, 300)
    tape.snapshot((), ())
    assert told(tape.delta(ASK, 4_900, 400)) == [(5_100, 300, Basis.BOOK_CROSS), (5_000, 100, Basis.BOOK_CROSS)]
    assert tape.snapshot((), ((4_900, 400),)) == []
    assert told(tape.delta(ASK, 4_900, 250)) == [(5_000, 200, Basis.BOOK_CROSS)]


def test_asks_are_treated_as_bids_are() -> None:
    tape = Tape()
    order_id, _ = tape.place(ASK, 5_300, 500)
    assert tape.venue.queue_position("alice", order_id) == 1_000
    assert told(tape.trade(BID, 5_300, 1_100)) == [(5_300, 100, Basis.QUEUE)]
    assert told(tape.trade(BID, 5_400, 150)) == [(5_300, 150, Basis.TRADE_THROUGH)]
    tape.snapshot((), ())
    assert told(tape.delta(BID, 5_400, 1_000)) == [(5_300, 250, Basis.BOOK_CROSS)]


# Own orders on both sides, unreadable books, time


def test_own_orders_on_both_sides_are_kept_apart() -> None:
    tape = Tape()
    own, _ = tape.place(ASK, 5_200, 100)
    stopped, fills = tape.place(BID, 5_300, 100)
    assert fills == []
    order = tape.venue.order("alice", stopped)
    assert order is not None and order.last_update_reason == "SelfTradeCancel"
    _, fills = tape.place(BID, 5_300, 100, self_trade_prevention=SelfTradePrevention.MAKER)
    assert told(fills) == [(5_300, 100, Basis.BOOK_CROSS)]
    ended = tape.venue.order("alice", own)
    assert ended is not None and ended.status is OrderStatus.CANCELED


def test_an_impossible_change_blinds_the_market_until_the_next_snapshot() -> None:
    tape = Tape()
    order_id, _ = tape.place(BID, 5_000, 100)
    tape.delta(ASK, 5_300, -5_000)
    assert tape.place(BID, 5_400, 100, time_in_force=IOC)[1] == []
    assert tape.delta(ASK, 4_000, 100) == []
    tape.snapshot(((5_000, 300),), ASKS)
    assert tape.venue.queue_position("alice", order_id) == 300
    assert len(tape.place(BID, 5_300, 100, time_in_force=IOC)[1]) == 1


def test_an_unseen_while_moves_no_queue_and_refreshes_nothing() -> None:
    """Where frames were lost the book is shown empty until the next snapshot: that is no fact about the market."""
    tape = Tape()
    order_id, _ = tape.place(BID, 5_000, 100)
    tape.place(BID, 5_300, 1_000, time_in_force=IOC)
    tape.snapshot((), ())
    tape.snapshot(BIDS, ASKS)
    assert tape.venue.queue_position("alice", order_id) == 1_000
    assert tape.place(BID, 5_300, 100, time_in_force=IOC)[1] == []


def test_an_order_expires_before_the_frame_that_comes_after_its_time() -> None:
    tape = Tape()
    tape.place(BID, 5_000, 100, expiration_s=START_US // SECOND_US + 1)
    tape.now_us += 2 * SECOND_US
    assert tape.trade(ASK, 4_000, 1_000) == []
    assert tape.venue.orders("alice", status=OrderStatus.RESTING) == []


# Market facts


def test_facts_that_a_bare_recording_does_not_tell_are_assumed_and_named() -> None:
    market = Tape().venue.market(TICKER)
    assert market is not None
    assert market.assumed == ASSUMED
    assert (market.event, market.series) == ("KXREC-26NOV24", "KXREC")
    assert (market.status, market.price_ranges, market.exclusive) == (MarketStatus.ACTIVE, LINEAR_CENT, False)


def test_an_assumed_grid_becomes_finer_with_the_prices_seen() -> None:
    tape = Tape()
    assert isinstance(tape.venue.place("alice", request(BID, 5_010, 100, TICKER), tape.now_us)[0], Rejected)
    tape.delta(BID, 5_020, 100)
    market = tape.venue.market(TICKER)
    assert market is not None and market.price_ranges == (PriceRange(0, 10_000, 10),)
    tape.place(BID, 5_010, 100)
    tape.delta(BID, 5_021, 100)
    tape.place(BID, 5_011, 100)


def test_facts_that_the_recording_brings_are_used_and_its_close_is_kept() -> None:
    known = facts(TICKER, close_us=START_US + 10 * SECOND_US)
    venue = CaptureMarket(1, [known])
    venue.open_account("alice", 1_000_000_000)
    listed = venue.begin(START_US)
    assert [event.facts.assumed for event in of_kind(listed, MarketChanged)] == [()]
    placed(venue, "alice", request(BID, 5_000, 100, TICKER), START_US)
    events = venue.advance(START_US + 10 * SECOND_US)
    assert of_kind(events, OrderChanged)[0].order.last_update_reason == "CloseCancel"
    market = venue.market(TICKER)
    assert market is not None
    assert (market.status, market.settlement_cc) == (MarketStatus.CLOSED, None), "a recording never settles"


def test_fees_and_collateral_are_the_simulated_exchanges() -> None:
    tape = Tape(balance=6_000_000)
    _, fills = tape.place(BID, 5_300, 1_000)
    assert [fill.fee_micros for fill in fills] == [174_400]
    assert tape.venue.balance("alice").balance_micros == 6_000_000 - 5_300_000 - 174_400
    refused, _ = tape.venue.place("alice", request(BID, 5_000, 200, TICKER), tape.now_us)
    assert isinstance(refused, Rejected) and refused.code == "insufficient_balance"


FRAMES = st.one_of(
    st.tuples(st.just("delta"), st.sampled_from([BID, ASK]), st.integers(48, 55), st.integers(-400, 400)),
    st.tuples(st.just("trade"), st.sampled_from([BID, ASK]), st.integers(48, 55), st.integers(1, 400)),
    st.tuples(st.just("place"), st.sampled_from([BID, ASK]), st.integers(48, 55), st.integers(1, 400)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(FRAMES, min_size=5, max_size=60))
def test_no_frame_fills_more_than_it_shows_and_no_liquidity_is_used_twice(
    script: list[tuple[str, BookSide, int, int]],
) -> None:
    """All our fills together are covered by recorded trades and by displayed size that came to be."""
    tape = Tape()
    shown = sum(size for _, size in (*BIDS, *ASKS))
    traded = taken = through = 0
    for kind, side, cents, size in script:
        if kind == "delta":
            current = tape.venue.book(TICKER).size_at(side, cents * 100)
            book = tape.venue.book(TICKER)
            opposite = book.best(side.other)
            crosses = opposite is not None and (
                cents * 100 >= opposite[0] if side is BID else cents * 100 <= opposite[0]
            )
            if size + current < 0 or size == 0 or (size > 0 and crosses):
                continue
            shown += max(0, size)
            fills = tape.delta(side, cents * 100, size)
            assert sum(fill.size_centi for fill in fills) <= max(0, size)
            taken += sum(fill.size_centi for fill in fills)
        elif kind == "trade":
            traded += size
            fills = tape.trade(side, cents * 100, size)
            assert sum(fill.size_centi for fill in fills) <= size
            through += sum(fill.size_centi for fill in fills)
        else:
            _, fills = tape.place(side, cents * 100, size)
            taken += sum(fill.size_centi for fill in fills)
    assert taken <= shown
    assert through <= traded
