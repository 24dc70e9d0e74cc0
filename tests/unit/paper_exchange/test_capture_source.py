"""A recording is replayed for what it shows: once, in its own time, and no longer than its markets trade."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
import structlog

from support.simulated_exchange import BID, START_US, facts, request
from truebook.capture.reader import CapturedFrame
from truebook.messages.facts import MarketFacts
from truebook.simulation.events import Filled, SimulationEvent, Traded
from truebook.simulation.orders import Rejected
from truebook.simulation.replay_market import CaptureMarket
from truebook_services.paper_exchange.sources import CaptureSource

T = "KXREC-26NOV24-T50"
MINUTE_US = 60_000_000


def frame(at_us: int, kind: str, sid: int, seq: int, connection: int = 0, **message: Any) -> CapturedFrame:
    text = json.dumps({"type": kind, "sid": sid, "seq": seq, "msg": {"market_ticker": T, **message}})
    return CapturedFrame(START_US + at_us, connection, text)


def book(seq: int = 1, connection: int = 0, at_us: int = 0) -> CapturedFrame:
    levels = {"yes_dollars_fp": [["0.5000", "10.00"]], "no_dollars_fp": [["0.4700", "10.00"]]}
    return frame(at_us, "orderbook_snapshot", 1, seq, connection, **levels)


def trade(
    at_us: int, seq: int = 1, connection: int = 0, *, block: bool = False, trade_id: str = "t-1"
) -> CapturedFrame:
    """Somebody sells 4 below our bid."""
    return frame(
        at_us, "trade", 2, seq, connection, trade_id=trade_id, yes_price_dollars="0.4900", count_fp="4.00",
        taker_book_side="ask", taker_outcome_side="no", is_block_trade=block, ts_ms=START_US // 1000,
    )  # fmt: skip


def life(at_us: int, seq: int, event_type: str, **message: Any) -> CapturedFrame:
    return frame(at_us, "market_lifecycle_v2", 3, seq, event_type=event_type, **message)


class Replay:
    """A recording that is stepped through."""

    def __init__(self, frames: Sequence[CapturedFrame], known: Sequence[MarketFacts] = ()) -> None:
        self.market = CaptureMarket(1, known)
        self.market.open_account("alice", 10**10)
        self.source = CaptureSource(self.market, iter(frames), structlog.get_logger())
        self.now_us = START_US
        self.events: list[SimulationEvent] = []

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self.now_us = self.source.next_due_us() or self.now_us
            self.events += self.source.step()

    def place(self, price_cc: int, size_centi: int, after_us: int = 0) -> Any:
        answer, events = self.market.place("alice", request(BID, price_cc, size_centi, T), self.now_us + after_us)
        self.events += events
        return answer

    def filled_centi(self) -> int:
        return sum(event.fill.size_centi for event in self.events if isinstance(event, Filled))


@pytest.mark.parametrize(
    ("told", "filled_centi"),
    [
        pytest.param([trade(1000)], 400, id="once"),
        pytest.param([trade(1000), trade(1001, connection=1)], 400, id="on two connections"),
        pytest.param([trade(1000), trade(1001)], 400, id="the same frame again"),
        pytest.param([trade(1000), trade(1001, seq=2, trade_id="t-2")], 800, id="two trades"),
        pytest.param([trade(1000, block=True)], 0, id="a block trade"),
    ],
)
def test_a_trade_fills_once_and_only_if_it_went_through_the_book(told: list[CapturedFrame], filled_centi: int) -> None:
    replay = Replay([book(), *told])
    replay.step()
    replay.place(5_000, 1_000)
    replay.step(len(told))
    assert replay.filled_centi() == filled_centi


def test_a_block_trade_is_shown_as_one() -> None:
    replay = Replay([book(), trade(1000, block=True)])
    replay.step(2)
    assert [event.block for event in replay.events if isinstance(event, Traded)] == [True]


def test_a_subscription_that_begins_anew_under_its_number_is_read_from_its_beginning() -> None:
    replay = Replay([book(seq=7), book(seq=1, at_us=1000), trade(2000)])
    replay.step(3)
    replay.place(5_300, 500)
    assert replay.filled_centi() == 500


ENDS = [
    pytest.param([life(1000, 1, "deactivated", is_deactivated=True)], id="paused"),
    pytest.param([life(1000, 1, "determined", result="yes", settlement_value="1.0000")], id="determined"),
    pytest.param([life(1000, 1, "settled")], id="settled"),
    pytest.param([life(1000, 1, "close_date_updated", close_ts=START_US // 1_000_000 + 30)], id="closed early"),
]


@pytest.mark.parametrize("ends", ENDS)
def test_nobody_trades_on_the_last_book_of_a_market_that_does_not_trade(ends: list[CapturedFrame]) -> None:
    replay = Replay([book(), *ends])
    replay.step(1 + len(ends))
    assert isinstance(replay.place(5_300, 500, after_us=MINUTE_US), Rejected)
    assert replay.filled_centi() == 0


def test_a_market_that_goes_on_after_a_pause_takes_orders_again() -> None:
    pause = [life(1000, 1, "deactivated", is_deactivated=True), life(2000, 2, "activated", is_deactivated=False)]
    replay = Replay([book(), *pause], [facts(T)])
    replay.step(3)
    replay.place(5_300, 500)
    assert replay.filled_centi() == 500


def test_the_life_of_a_market_that_the_recording_does_not_show_is_left_out() -> None:
    replay = Replay([life(0, 1, "determined", result="yes"), book(at_us=1)])
    replay.step(2)
    replay.place(5_300, 500)
    assert replay.filled_centi() == 500
