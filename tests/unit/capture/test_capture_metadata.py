"""Metadata missing in a recording is assumed and marked as such."""

from __future__ import annotations

import json

import pytest

from truebook.capture.market_metadata import CLOSES_AFTER_END_US, assume_metadata
from truebook.capture.reader import CapturedFrame
from truebook.messages.market_metadata import FeeType, MarketStatus, PriceRange
from truebook.venue.assumed_market import ASSUMED


def delta(ticker: str, price: str, at_us: int = 1_000) -> CapturedFrame:
    msg = {"market_ticker": ticker, "price_dollars": price, "delta_fp": "1.00", "side": "yes", "ts_ms": 1}
    return CapturedFrame(at_us, 0, json.dumps({"type": "orderbook_delta", "sid": 1, "seq": 1, "msg": msg}))


@pytest.mark.parametrize(
    ("prices", "step_cc"),
    [(["0.4700", "0.0100"], 100), (["0.4700", "0.0130"], 10), (["0.4701"], 1), (["0.4710", "0.4705"], 1)],
)
def test_the_grid_is_the_coarsest_with_every_price_seen(prices: list[str], step_cc: int) -> None:
    (metadata,) = assume_metadata([delta("KXA-1-B", price) for price in prices])
    assert metadata.price_ranges == (PriceRange(0, 10_000, step_cc),)


def test_event_and_series_are_derived_from_the_ticker() -> None:
    (metadata,) = assume_metadata(
        [delta("KXBTCD-26JUL0317-T60499.99", "0.4700", 5), delta("KXBTCD-26JUL0317-T60499.99", "0.4700", 9)]
    )
    assert (metadata.event, metadata.series) == ("KXBTCD-26JUL0317", "KXBTCD")
    assert (metadata.open_us, metadata.close_us, metadata.status) == (5, 9 + CLOSES_AFTER_END_US, MarketStatus.ACTIVE)
    assert (metadata.fee_type, metadata.exclusive, metadata.assumed) == (FeeType.QUADRATIC, False, ASSUMED)


def test_a_ticker_without_dashes_is_its_own_event() -> None:
    (metadata,) = assume_metadata([delta("KXA", "0.4700")])
    assert (metadata.event, metadata.series) == ("KXA", "KXA")


def test_frames_without_a_book_are_skipped() -> None:
    frames = [
        CapturedFrame(1, 0, "broken"),
        CapturedFrame(2, 0, '{"type":"ticker","sid":1,"msg":{}}'),
        delta("B-1", "0.5000"),
        delta("A-1", "0.5000"),
    ]
    assert [metadata.ticker for metadata in assume_metadata(frames)] == ["A-1", "B-1"]
    assert assume_metadata([]) == ()
