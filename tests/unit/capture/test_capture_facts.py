"""Facts that a recording does not tell are assumed, and say so."""

from __future__ import annotations

import json

import pytest

from truebook.capture.facts import ASSUMED, CLOSES_AFTER_END_US, assume_facts
from truebook.capture.reader import CapturedFrame
from truebook.messages.facts import FeeType, MarketStatus, PriceRange


def delta(ticker: str, price: str, at_us: int = 1_000) -> CapturedFrame:
    msg = {"market_ticker": ticker, "price_dollars": price, "delta_fp": "1.00", "side": "yes", "ts_ms": 1}
    return CapturedFrame(at_us, 0, json.dumps({"type": "orderbook_delta", "sid": 1, "seq": 1, "msg": msg}))


@pytest.mark.parametrize(
    ("prices", "step_cc"),
    [(["0.4700", "0.0100"], 100), (["0.4700", "0.0130"], 10), (["0.4701"], 1), (["0.4710", "0.4705"], 1)],
)
def test_the_grid_is_the_coarsest_that_holds_every_price_seen(prices: list[str], step_cc: int) -> None:
    (facts,) = assume_facts([delta("KXA-1-B", price) for price in prices])
    assert facts.price_ranges == (PriceRange(0, 10_000, step_cc),)


def test_event_and_series_are_cut_from_the_ticker_and_everything_is_marked() -> None:
    (facts,) = assume_facts(
        [delta("KXBTCD-26JUL0317-T60499.99", "0.4700", 5), delta("KXBTCD-26JUL0317-T60499.99", "0.4700", 9)]
    )
    assert (facts.event, facts.series) == ("KXBTCD-26JUL0317", "KXBTCD")
    assert (facts.open_us, facts.close_us, facts.status) == (5, 9 + CLOSES_AFTER_END_US, MarketStatus.ACTIVE)
    assert (facts.fee_type, facts.exclusive, facts.assumed) == (FeeType.QUADRATIC, False, ASSUMED)


def test_a_ticker_without_dashes_is_its_own_event() -> None:
    (facts,) = assume_facts([delta("KXA", "0.4700")])
    assert (facts.event, facts.series) == ("KXA", "KXA")


def test_frames_that_are_no_book_tell_nothing() -> None:
    frames = [
        CapturedFrame(1, 0, "broken"),
        CapturedFrame(2, 0, '{"type":"ticker","sid":1,"msg":{}}'),
        delta("B-1", "0.5000"),
        delta("A-1", "0.5000"),
    ]
    assert [facts.ticker for facts in assume_facts(frames)] == ["A-1", "B-1"]
    assert assume_facts([]) == ()
