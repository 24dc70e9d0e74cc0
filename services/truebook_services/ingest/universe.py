"""Which markets are followed: a filter with hysteresis. Pure.

A pinned market (with a position or an open order of ours) is always followed. Another followed market stays until it
has failed a more generous filter several times in a row, or until a clearly busier one takes its place. A newcomer must
pass the whole filter and must not close soon.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from truebook.clock import MICROS
from truebook.kalshi.port import ListedMarket
from truebook.messages.ids import digest
from truebook.messages.market_metadata import FeeType, MarketMetadata, MarketStatus
from truebook.messages.markets import Exclusion
from truebook.venue.lifecycle import takes_orders
from truebook_services.ingest.settings import UniverseSettings

MULTIVARIATE_PREFIX = "KXMVE"
BEFORE_TRADING = (MarketStatus.INITIALIZED, MarketStatus.INACTIVE)
"""A market that the settings name is followed from these states on, so that its first book change is read."""
UNSUPPORTED_FEES = (FeeType.FLAT, FeeType.UNKNOWN)


class TopOfBook(msgspec.Struct, frozen=True):
    """The part of a book that the filter needs."""

    spread_cc: int | None
    """None where a side is empty."""
    depth_centi: int
    """The smaller of the two best levels."""


Listed = MarketMetadata | ListedMarket


def is_of_shard(market: Listed, settings: UniverseSettings) -> bool:
    """Return whether this ingest instance owns the market. One event has one owner, for the sum of its prices."""
    return int(digest(market.event), 16) % settings.shards == settings.shard


def passes_static_filter(market: MarketMetadata, settings: UniverseSettings) -> Exclusion | None:
    """Check what changes at most once: lists, kind, state, fees. Returns the first failed check."""
    if settings.tickers and market.ticker not in settings.tickers:
        return Exclusion.NOT_CONFIGURED
    if settings.series and market.series not in settings.series:
        return Exclusion.NOT_CONFIGURED
    if not settings.multivariate and market.ticker.startswith(MULTIVARIATE_PREFIX):
        return Exclusion.MULTIVARIATE
    if market.exchange_index:
        return Exclusion.EXCHANGE_SHARD
    is_early = market.ticker in settings.tickers and market.status in BEFORE_TRADING
    if not takes_orders(market.status) and not is_early:
        return Exclusion.NOT_TRADING
    if market.fee_type in UNSUPPORTED_FEES:
        return Exclusion.FEE_TYPE
    return None


def passes_activity_filter(
    market: MarketMetadata, top: TopOfBook | None, settings: UniverseSettings, *, followed: bool
) -> Exclusion | None:
    """Check what keeps changing: volume, spread, depth. Returns the first failed check; followed markets get slack."""
    if market.ticker in settings.tickers:
        return None
    factor = settings.leave_factor if followed else 1.0
    if market.volume_centi * factor < settings.min_volume_centi:
        return Exclusion.VOLUME
    if top is None:
        return Exclusion.NOT_PROBED
    if top.spread_cc is None:
        return Exclusion.NO_BOOK
    if top.spread_cc > settings.max_spread_cc * factor:
        return Exclusion.SPREAD
    if top.depth_centi * factor < settings.min_depth_centi:
        return Exclusion.DEPTH
    return None


class Universe:
    """Selects the followed markets; keeps how often each of them has failed the filter in a row."""

    def __init__(self, settings: UniverseSettings) -> None:
        self._settings = settings
        self._failures: dict[str, int] = {}

    def newcomers(
        self, listed: Iterable[MarketMetadata], followed: frozenset[str], now_us: int
    ) -> list[MarketMetadata]:
        """List the markets that could be added, judged without their books, busiest first."""
        fit = [
            market
            for market in listed
            if market.ticker not in followed
            and passes_static_filter(market, self._settings) is None
            and not self._closes_soon(market, now_us)
        ]
        return sorted(fit, key=busiest_first)

    def select(
        self,
        listed: Mapping[str, MarketMetadata],
        tops: Mapping[str, TopOfBook],
        followed: frozenset[str],
        pinned: frozenset[str],
        now_us: int,
    ) -> frozenset[str]:
        """Return the markets to follow: all pinned ones, then others up to ``max_markets`` in total."""
        staying = [listed[ticker] for ticker in sorted(followed - pinned) if self._stays(ticker, listed, tops)]
        staying.sort(key=busiest_first)
        coming = [
            market
            for market in self.newcomers(listed.values(), followed | pinned, now_us)
            if passes_activity_filter(market, tops.get(market.ticker), self._settings, followed=False) is None
        ]
        places = max(0, self._settings.max_markets - len(pinned))
        selected = [*staying, *coming][:places]
        for newcomer in coming[max(0, places - len(staying)) :]:
            quietest = min((market for market in selected if market.ticker in followed), key=_volume, default=None)
            if quietest is None or newcomer.volume_centi <= quietest.volume_centi * self._settings.displace_factor:
                break
            selected[selected.index(quietest)] = newcomer
        tickers = pinned | {market.ticker for market in selected}
        self._failures = {ticker: count for ticker, count in self._failures.items() if ticker in tickers}
        return tickers

    def exclusion(self, market: MarketMetadata, top: TopOfBook | None, now_us: int) -> Exclusion:
        """Return why a listed market is not selected."""
        found = passes_static_filter(market, self._settings)
        if found is None and self._closes_soon(market, now_us):
            found = Exclusion.CLOSES_SOON
        found = found or passes_activity_filter(market, top, self._settings, followed=False)
        return found or Exclusion.UNIVERSE_FULL

    def _closes_soon(self, market: MarketMetadata, now_us: int) -> bool:
        return market.close_us - now_us < int(self._settings.min_time_to_close_s * MICROS)

    def _stays(self, ticker: str, listed: Mapping[str, MarketMetadata], tops: Mapping[str, TopOfBook]) -> bool:
        market = listed.get(ticker)
        if market is None or passes_static_filter(market, self._settings) is not None:
            return False
        if passes_activity_filter(market, tops.get(ticker), self._settings, followed=True) is None:
            self._failures.pop(ticker, None)
            return True
        self._failures[ticker] = self._failures.get(ticker, 0) + 1
        return self._failures[ticker] < self._settings.leave_after_failures


def choose_candidates(listed: Sequence[ListedMarket], settings: UniverseSettings, now_us: int) -> frozenset[str]:
    """Return the listed markets whose metadata are worth reading: those that may be selected, and the busiest others.

    The busiest others are the ones whose exclusion is published.
    """
    places = 2 * settings.max_markets
    busiest = heapq.nsmallest(places + settings.max_excluded, listed, key=busiest_first)
    fit = (
        market
        for market in listed
        if not market.exchange_index
        and takes_orders(market.status)
        and market.volume_centi >= settings.min_volume_centi
        and market.close_us - now_us >= int(settings.min_time_to_close_s * MICROS)
        and (settings.multivariate or not market.ticker.startswith(MULTIVARIATE_PREFIX))
    )
    return frozenset(market.ticker for market in (*busiest, *heapq.nsmallest(places, fit, key=busiest_first)))


def busiest_first(market: Listed) -> tuple[int, str]:
    return -market.volume_centi, market.ticker


def _volume(market: MarketMetadata) -> tuple[int, str]:
    return market.volume_centi, market.ticker
