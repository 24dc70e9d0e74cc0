"""Metadata assumed for a market of which only the ticker is known, as in a bare recording."""

from __future__ import annotations

from typing import Final

from truebook.messages.market_metadata import FeeType, MarketMetadata, MarketStatus, PriceRange

STANDARD_FEE_PPM: Final = 1_000_000
"""Fee multiplier of most series."""
ASSUMED: Final = (
    "event", "series", "status", "open_us", "close_us", "price_ranges", "fee_type", "fee_multiplier_ppm", "exclusive",
    "binary",
)  # fmt: skip
"""The fields that a bare recording does not contain."""


def event_of(ticker: str) -> str:
    """Derive a market's event from its ticker, as the exchange forms them: all but the last part."""
    return ticker.rpartition("-")[0] or ticker


def series_of(ticker: str) -> str:
    """Derive the series from the ticker of a market or an event: the first part."""
    return ticker.partition("-")[0]


def assumed_metadata(ticker: str, open_us: int, close_us: int, price_ranges: tuple[PriceRange, ...]) -> MarketMetadata:
    """Assume an active market with the standard fee; ``assumed`` lists the assumed fields."""
    return MarketMetadata(
        ticker=ticker, event=event_of(ticker), series=series_of(ticker), status=MarketStatus.ACTIVE, open_us=open_us,
        close_us=close_us, price_ranges=price_ranges, fee_type=FeeType.QUADRATIC, fee_multiplier_ppm=STANDARD_FEE_PPM,
        exclusive=False, assumed=ASSUMED,
    )  # fmt: skip
