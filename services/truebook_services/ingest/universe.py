"""Which markets are followed: a filter with hysteresis. Pure; all that it knows is handed in.

A market that is pinned (a position or an open order of ours) always stays. One that is followed stays until it failed
a more generous filter several times in a row, or until a newcomer is clearly busier. A newcomer must pass the whole
filter and not close soon.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from truebook.clock import MICROS
from truebook.messages.facts import FeeType, MarketFacts, MarketStatus
from truebook.messages.ids import digest
from truebook.venue.lifecycle import takes_orders
from truebook_services.ingest.settings import UniverseSettings

MULTIVARIATE_PREFIX = "KXMVE"
BEFORE_TRADING = (MarketStatus.INITIALIZED, MarketStatus.INACTIVE)
"""A market that is named in the settings is followed already then: its first change finds a reader."""
UNSUPPORTED_FEES = (FeeType.FLAT, FeeType.UNKNOWN)


class Unfit(StrEnum):
    """Why a market is not chosen: words for metrics and people."""

    NOT_LISTED = "not_listed"
    MULTIVARIATE = "multivariate"
    NOT_TRADING = "not_trading"
    FEE_TYPE = "fee_type"
    CLOSES_SOON = "closes_soon"
    VOLUME = "volume"
    NO_BOOK = "no_book"
    SPREAD = "spread"
    DEPTH = "depth"


class Shape(msgspec.Struct, frozen=True):
    """What of a book matters for choosing: null where a side is empty."""

    spread_cc: int | None
    depth_centi: int


def is_of_shard(facts: MarketFacts, settings: UniverseSettings) -> bool:
    """Tell whether a market is this ingest's: an event's markets stay together, for the sum of their prices."""
    return int(digest(facts.event), 16) % settings.shards == settings.shard


def may_be_followed(facts: MarketFacts, settings: UniverseSettings) -> Unfit | None:
    """Judge by what never changes, or only once: lists, kind, state, fees."""
    if settings.tickers and facts.ticker not in settings.tickers:
        return Unfit.NOT_LISTED
    if settings.series and facts.series not in settings.series:
        return Unfit.NOT_LISTED
    if not settings.multivariate and facts.ticker.startswith(MULTIVARIATE_PREFIX):
        return Unfit.MULTIVARIATE
    is_early = facts.ticker in settings.tickers and facts.status in BEFORE_TRADING
    if not takes_orders(facts.status) and not is_early:
        return Unfit.NOT_TRADING
    if facts.fee_type in UNSUPPORTED_FEES:
        return Unfit.FEE_TYPE
    return None


def is_lively(facts: MarketFacts, shape: Shape | None, settings: UniverseSettings, *, followed: bool) -> Unfit | None:
    """Judge by what changes all the time; more generously where the market is followed already."""
    if facts.ticker in settings.tickers:
        return None
    factor = settings.leave_factor if followed else 1.0
    if facts.volume_centi * factor < settings.least_volume_centi:
        return Unfit.VOLUME
    if shape is None or shape.spread_cc is None:
        return Unfit.NO_BOOK
    if shape.spread_cc > settings.most_spread_cc * factor:
        return Unfit.SPREAD
    if shape.depth_centi * factor < settings.least_depth_centi:
        return Unfit.DEPTH
    return None


class Universe:
    """Chooses again and again; remembers how often a followed market has failed in a row."""

    def __init__(self, settings: UniverseSettings) -> None:
        self._settings = settings
        self._failures: dict[str, int] = {}

    def newcomers(self, listed: Iterable[MarketFacts], followed: frozenset[str], now_us: int) -> list[MarketFacts]:
        """List markets that could be added, busiest first, before their books are looked at."""
        least_us = int(self._settings.least_time_to_close_s * MICROS)
        fit = [
            facts
            for facts in listed
            if facts.ticker not in followed
            and may_be_followed(facts, self._settings) is None
            and facts.close_us - now_us >= least_us
        ]
        return sorted(fit, key=_busiest_first)

    def choose(
        self,
        listed: Mapping[str, MarketFacts],
        shapes: Mapping[str, Shape],
        followed: frozenset[str],
        pinned: frozenset[str],
        now_us: int,
    ) -> frozenset[str]:
        """Answer the markets to follow from now on: the pinned ones and at most ``most_markets`` in all, if it can."""
        staying = [listed[ticker] for ticker in sorted(followed - pinned) if self._stays(ticker, listed, shapes)]
        staying.sort(key=_busiest_first)
        coming = [
            facts
            for facts in self.newcomers(listed.values(), followed | pinned, now_us)
            if is_lively(facts, shapes.get(facts.ticker), self._settings, followed=False) is None
        ]
        places = max(0, self._settings.most_markets - len(pinned))
        chosen = [*staying, *coming][:places]
        for newcomer in coming[max(0, places - len(staying)) :]:
            quietest = min((facts for facts in chosen if facts.ticker in followed), key=_volume, default=None)
            if quietest is None or newcomer.volume_centi <= quietest.volume_centi * self._settings.displace_factor:
                break
            chosen[chosen.index(quietest)] = newcomer
        answer = pinned | {facts.ticker for facts in chosen}
        self._failures = {ticker: count for ticker, count in self._failures.items() if ticker in answer}
        return answer

    def _stays(self, ticker: str, listed: Mapping[str, MarketFacts], shapes: Mapping[str, Shape]) -> bool:
        facts = listed.get(ticker)
        if facts is None or may_be_followed(facts, self._settings) is not None:
            return False
        if is_lively(facts, shapes.get(ticker), self._settings, followed=True) is None:
            self._failures.pop(ticker, None)
            return True
        self._failures[ticker] = self._failures.get(ticker, 0) + 1
        return self._failures[ticker] < self._settings.leave_after


def _busiest_first(facts: MarketFacts) -> tuple[int, str]:
    return -facts.volume_centi, facts.ticker


def _volume(facts: MarketFacts) -> tuple[int, str]:
    return facts.volume_centi, facts.ticker
