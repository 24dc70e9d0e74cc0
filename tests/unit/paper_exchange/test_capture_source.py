"""A recording as the market source: each event once, in recorded time, while its markets are open."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
import structlog

from support.simulated_exchange import BID, START_US, metadata, request
from truebook.capture.events import decode_events
from truebook.capture.reader import CapturedFrame
from truebook.messages.market_metadata import MarketMetadata, MarketStatus
from truebook.simulation.events import Filled, Settled, SimulationEvent, Traded
from truebook.simulation.recorded.replay import MarketReplay
from truebook.simulation.venue.orders import Rejected
from truebook_services.paper_exchange.engine.sources import CaptureSource

T = "KXREC-26NOV24-T50"
MINUTE_US = 60_000_000


def frame(
    at_us: int, kind: str, sid: int, seq: int, connection: int = 0, *, ticker: str = T, **message: Any
) -> CapturedFrame:
    text = json.dumps({"type": kind, "sid": sid, "seq": seq, "msg": {"market_ticker": ticker, **message}})
    return CapturedFrame(START_US + at_us, connection, text)


def book(seq: int = 1, connection: int = 0, at_us: int = 0, ticker: str = T) -> CapturedFrame:
    levels = {"yes_dollars_fp": [["0.5000", "10.00"]], "no_dollars_fp": [["0.4700", "10.00"]]}
    return frame(at_us, "orderbook_snapshot", 1, seq, connection, ticker=ticker, **levels)


def delta(at_us: int, seq: int) -> CapturedFrame:
    """A recorded change: one more contract is bid at 50 cents."""
    return frame(at_us, "orderbook_delta", 1, seq, price_dollars="0.5000", delta_fp="1.00", side="yes")


def trade(
    at_us: int, seq: int = 1, connection: int = 0, *, block: bool = False, trade_id: str = "t-1"
) -> CapturedFrame:
    """A recorded trade: 4 contracts are sold below our bid."""
    return frame(
        at_us, "trade", 2, seq, connection, trade_id=trade_id, yes_price_dollars="0.4900", count_fp="4.00",
        taker_book_side="ask", taker_outcome_side="no", is_block_trade=block, ts_ms=START_US // 1000,
    )  # fmt: skip


def life(at_us: int, seq: int, event_type: str, **message: Any) -> CapturedFrame:
    return frame(at_us, "market_lifecycle_v2", 3, seq, event_type=event_type, **message)


class Replay:
    """Steps through a recording."""

    def __init__(self, frames: Sequence[CapturedFrame], known: Sequence[MarketMetadata] = ()) -> None:
        market_replay = MarketReplay(1, known)
        self.exchange = market_replay.exchange
        self.exchange.open_account("alice", 10**10)
        self.source = CaptureSource(market_replay, decode_events(frames), structlog.get_logger())
        self.now_us = START_US
        self.events: list[SimulationEvent] = []

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self.now_us = self.source.next_due_us() or self.now_us
            if self.source.next_due_us() is not None:  # skipped frames are no step
                self.events += self.source.step()

    def place(self, price_cc: int, size_centi: int, after_us: int = 0) -> Any:
        response, events = self.exchange.place("alice", request(BID, price_cc, size_centi, T), self.now_us + after_us)
        self.events += events
        return response

    def filled_centi(self) -> int:
        return sum(event.fill.size_centi for event in self.events if isinstance(event, Filled))


@pytest.mark.parametrize(
    ("frames", "filled_centi"),
    [
        pytest.param([trade(1000)], 400, id="once"),
        pytest.param([trade(1000), trade(1001, connection=1)], 400, id="on two connections"),
        pytest.param([trade(1000), trade(1001)], 400, id="the same frame again"),
        pytest.param([trade(1000), trade(1001, seq=2, trade_id="t-2")], 800, id="two trades"),
        pytest.param([trade(1000, block=True)], 0, id="a block trade"),
    ],
)
def test_a_recorded_trade_fills_once_and_only_on_the_book(frames: list[CapturedFrame], filled_centi: int) -> None:
    replay = Replay([book(), *frames])
    replay.step()
    replay.place(5_000, 1_000)
    replay.step(len(frames))
    assert replay.filled_centi() == filled_centi


def test_a_block_trade_is_marked_as_block() -> None:
    replay = Replay([book(), trade(1000, block=True)])
    replay.step(2)
    assert [event.block for event in replay.events if isinstance(event, Traded)] == [True]


def test_a_restarted_subscription_id_counts_from_one() -> None:
    replay = Replay([book(seq=7), book(seq=1, at_us=1000), trade(2000)])
    replay.step(3)
    replay.place(5_300, 500)
    assert replay.filled_centi() == 500


def test_a_reconnect_without_acknowledgements_loses_no_trade() -> None:
    before = [book(), *(trade(seq, seq=seq, trade_id=f"t-{seq}") for seq in range(1, 6))]
    after = [book(at_us=1000), trade(2000, seq=1, trade_id="t-6"), trade(3000, seq=2, trade_id="t-7")]
    replay = Replay([*before, *after])
    replay.step(len(before) + len(after))
    assert [event.trade_id for event in replay.events if isinstance(event, Traded)] == [f"t-{n}" for n in range(1, 8)]


@pytest.mark.parametrize(
    "revealing",
    [
        pytest.param(delta(1000, seq=3), id="a delta after a gap"),
        pytest.param(delta(1000, seq=1), id="a delta with a restarted number"),
        pytest.param(book(seq=1, at_us=1000, ticker="KXREC-26NOV24-T60"), id="another market's snapshot"),
    ],
)
def test_after_lost_frames_a_book_stays_empty_until_its_snapshot(revealing: CapturedFrame) -> None:
    replay = Replay([book(), revealing, delta(2000, seq=9), book(seq=10, at_us=3000)])
    replay.step(3)
    assert replay.exchange.queries.book(T).best(BID) is None
    replay.step()
    assert replay.exchange.queries.book(T).best(BID) == (5_000, 1_000)


ENDS = [
    pytest.param([life(1000, 1, "deactivated", is_deactivated=True)], id="paused"),
    pytest.param([life(1000, 1, "determined", result="yes", settlement_value="1.0000")], id="determined"),
    pytest.param([life(1000, 1, "settled")], id="settled"),
    pytest.param([life(1000, 1, "close_date_updated", close_ts=START_US // 1_000_000 + 30)], id="closed early"),
]


@pytest.mark.parametrize("ends", ENDS)
def test_no_order_trades_in_a_paused_or_closed_market(ends: list[CapturedFrame]) -> None:
    replay = Replay([book(), *ends])
    replay.step(1 + len(ends))
    assert isinstance(replay.place(5_300, 500, after_us=MINUTE_US), Rejected)
    assert replay.filled_centi() == 0


def test_a_resumed_market_accepts_orders() -> None:
    pause = [life(1000, 1, "deactivated", is_deactivated=True), life(2000, 2, "activated", is_deactivated=False)]
    replay = Replay([book(), *pause], [metadata(T)])
    replay.step(3)
    replay.place(5_300, 500)
    assert replay.filled_centi() == 500


@pytest.mark.parametrize("settled", [False, True])
def test_a_position_is_settled_by_the_recorded_outcome(settled: bool) -> None:
    ends = [life(1000, 1, "determined", result="scalar", settlement_value="0.4500")]
    ends += [life(2000, 2, "settled")] if settled else []
    replay = Replay([book(), *ends])
    replay.step()
    replay.place(5_300, 500)
    replay.step(len(ends))
    paid = [event.settlement for event in replay.events if isinstance(event, Settled)]
    assert [(each.settlement_cc, each.revenue_micros) for each in paid] == [(4_500, 500 * 4_500)]


def test_a_recorded_end_without_a_value_keeps_the_position() -> None:
    replay = Replay([book(), life(1000, 1, "determined", result="void"), life(2000, 2, "settled")])
    replay.step()
    replay.place(5_300, 500)
    replay.step(2)
    assert [event for event in replay.events if isinstance(event, Settled)] == []
    [market] = replay.exchange.queries.markets()
    assert (market.status, market.settlement_cc) == (MarketStatus.CLOSED, None)


SECONDS = START_US // 1_000_000


@pytest.mark.parametrize(
    ("frames", "is_open"),
    [
        pytest.param([life(1000, 1, "close_date_updated", close_ts=SECONDS + 3_600), book(seq=2, at_us=3_000)],
                     False, id="a moved close"),
        pytest.param([life(1000, 1, "activated"), book(seq=2, at_us=3_000)], False, id="an activation"),
        pytest.param([life(1000, 1, "close_date_updated", close_ts=SECONDS + 3_600), life(1001, 2, "activated")],
                     True, id="both"),
    ],
)  # fmt: skip
def test_a_recorded_close_is_taken_back_by_a_new_close_and_activation(frames: list, is_open: bool) -> None:
    replay = Replay([book(), *frames], [metadata(T, close_us=START_US + 500)])
    replay.step(3)
    replay.place(5_300, 500)
    assert (replay.filled_centi() == 500) is is_open


def test_a_paused_markets_close_can_move() -> None:
    pause = life(1000, 1, "deactivated", is_deactivated=True)
    close = life(2000, 2, "close_date_updated", close_ts=SECONDS + 30)
    replay = Replay([book(), pause, close, life(3000, 3, "activated")], [metadata(T)])
    replay.step(4)
    assert isinstance(replay.place(5_300, 500, after_us=MINUTE_US), Rejected)


def test_a_recorded_grid_applies_at_once() -> None:
    nickel = [{"start": "0.0000", "end": "1.0000", "step": "0.0500"}]
    replay = Replay([book(), life(1000, 1, "price_level_structure_updated", price_ranges=nickel)], [metadata(T)])
    replay.step(2)
    assert isinstance(replay.place(5_300, 500), Rejected)
    assert not isinstance(replay.place(5_500, 500), Rejected)


def test_a_close_time_of_zero_moves_no_close() -> None:
    replay = Replay([book(), life(1000, 1, "close_date_updated", close_ts=0)], [metadata(T)])
    replay.step(2)
    replay.place(5_300, 500)
    assert replay.filled_centi() == 500


def test_lifecycle_of_an_unrecorded_market_is_ignored() -> None:
    replay = Replay([life(0, 1, "determined", result="yes"), book(at_us=1)])
    replay.step(2)
    replay.place(5_300, 500)
    assert replay.filled_centi() == 500
