"""The plan of the synthetic markets: events of one to four markets, their series, price grids and durations.

The plan is a pure function of the number of markets. Every twenty markets repeat one pattern, in which a fifth is
short-lived: they close after less than a minute and settle, and a successor opens.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec

from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, MarketStatus, PriceRange
from truebook.venue.assumed_market import STANDARD_FEE_PPM, event_of, series_of

SECOND_US: Final = 1_000_000
HOUR_US: Final = 3_600 * SECOND_US

DECI_CENT: Final = (PriceRange(0, 10_000, 10),)
TAPERED_DECI_CENT: Final = (PriceRange(0, 1_000, 10), PriceRange(1_000, 9_000, 100), PriceRange(9_000, 10_000, 10))


class Series(msgspec.Struct, frozen=True):
    """A recurring template of events, with one fee structure."""

    name: str
    fee_type: FeeType
    fee_multiplier_ppm: int = STANDARD_FEE_PPM


SERIES: Final = (
    Series("SIMRAIN", FeeType.QUADRATIC),
    Series("SIMCUP", FeeType.QUADRATIC_WITH_MAKER_FEES),
    Series("SIMRATE", FeeType.QUADRATIC),
    Series("SIMINDEX", FeeType.QUADRATIC, STANDARD_FEE_PPM // 2),
)
FLASH_SERIES: Final = Series("SIMFLASH", FeeType.QUADRATIC)

_PATTERN: Final = (
    (1, False), (3, False), (1, True), (2, False), (1, False), (1, False), (1, True),
    (1, False), (4, False), (2, True), (2, False), (1, False),
)  # fmt: skip
"""(number of markets, short-lived): twenty markets, four of them short-lived."""


class EventPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of a chain of events: when one ends, the next generation opens."""

    index: int
    series: Series
    size: int
    short_lived: bool
    grid: tuple[PriceRange, ...]
    tickers: tuple[str, ...] = ()
    """Tickers configured by the user for the first generation; empty: generated ones."""

    def event_ticker(self, generation: int) -> str:
        """Return the event's ticker: derived from configured market tickers, else generated."""
        if self.tickers and generation == 0:
            return event_of(self.tickers[0])
        return f"{self.series.name}-{self.index + 1:02d}{generation + 1:04d}"

    def market_tickers(self, generation: int) -> tuple[str, ...]:
        if self.tickers and generation == 0:
            return self.tickers
        event = self.event_ticker(generation)
        return tuple(f"{event}-{chr(ord('A') + outcome)}" for outcome in range(self.size))

    def duration_us(self, rng: Random) -> int:
        """Draw how long an event takes orders: 25 to 50 seconds, or 4 to 72 hours."""
        if self.short_lived:
            return 25 * SECOND_US + rng.randrange(25 * SECOND_US)
        return 4 * HOUR_US + rng.randrange(68 * HOUR_US)

    def metadata(self, generation: int, open_us: int, close_us: int) -> list[MarketMetadata]:
        """Return the metadata of the event's markets."""
        event = self.event_ticker(generation)
        return [
            MarketMetadata(
                ticker=ticker,
                event=event,
                series=self.series.name,
                status=MarketStatus.ACTIVE,
                open_us=open_us,
                close_us=close_us,
                price_ranges=self.grid,
                fee_type=self.series.fee_type,
                fee_multiplier_ppm=self.series.fee_multiplier_ppm,
                exclusive=self.size > 1,
            )
            for ticker in self.market_tickers(generation)
        ]


def plan_markets(markets: int, *, first: int = 0) -> list[EventPlan]:
    """Plan that many markets, the first event with that index; raises ``ValueError`` below 1."""
    if markets < 1:
        raise ValueError(f"the simulated exchange needs at least one market, got {markets}")
    plans: list[EventPlan] = []
    left = markets
    while left:
        index = first + len(plans)
        size, short_lived = _PATTERN[index % len(_PATTERN)]
        size = min(size, left)
        left -= size
        series = FLASH_SERIES if short_lived else SERIES[index % len(SERIES)]
        plans.append(
            EventPlan(index=index, series=series, size=size, short_lived=short_lived, grid=_grid_of(index, short_lived))
        )
    return plans


def plan_tickers(tickers: Sequence[str]) -> list[EventPlan]:
    """Plan named markets, all long-lived; those with a common event are its outcomes.

    Raises ``ValueError`` without a ticker or for a duplicate.
    """
    if not tickers or len(set(tickers)) != len(tickers):
        raise ValueError("at least one ticker is needed, and each only once")
    by_event: dict[str, list[str]] = {}
    for ticker in tickers:
        by_event.setdefault(event_of(ticker), []).append(ticker)
    plans = []
    for index, (event, named) in enumerate(by_event.items()):
        series = Series(series_of(event), SERIES[index % len(SERIES)].fee_type)
        plan = EventPlan(
            index=index, series=series, size=len(named), short_lived=False, grid=LINEAR_CENT, tickers=tuple(named)
        )
        plans.append(plan)
    return plans


def _grid_of(index: int, short_lived: bool) -> tuple[PriceRange, ...]:
    if short_lived or index % 6 not in (4, 5):
        return LINEAR_CENT
    return DECI_CENT if index % 6 == 4 else TAPERED_DECI_CENT
