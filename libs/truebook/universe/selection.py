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
from truebook.universe.rules import UniverseRules
from truebook.venue.lifecycle import takes_orders

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


def is_of_shard(market: Listed, rules: UniverseRules) -> bool:
    """Return whether this ingest instance owns the market. One event has one owner, for the sum of its prices."""
    return int(digest(market.event), 16) % rules.shards == rules.shard


def passes_static_filter(market: MarketMetadata, rules: UniverseRules) -> Exclusion | None:
    """Check what changes at most once: lists, kind, state, fees. Returns the first failed check."""
    if rules.tickers and market.ticker not in rules.tickers:
        return Exclusion.NOT_CONFIGURED
    if rules.series and market.series not in rules.series:
        return Exclusion.NOT_CONFIGURED
    if not rules.multivariate and market.ticker.startswith(MULTIVARIATE_PREFIX):
        return Exclusion.MULTIVARIATE
    if rules.exchange_shards and market.exchange_index not in rules.exchange_shards:
        return Exclusion.EXCHANGE_SHARD
    is_early = market.ticker in rules.tickers and market.status in BEFORE_TRADING
    if not takes_orders(market.status) and not is_early:
        return Exclusion.NOT_TRADING
    if market.fee_type in UNSUPPORTED_FEES:
        return Exclusion.FEE_TYPE
    return None


def passes_activity_filter(
    market: MarketMetadata, top: TopOfBook | None, rules: UniverseRules, *, followed: bool
) -> Exclusion | None:
    """Check what keeps changing: volume, spread, depth. Returns the first failed check; followed markets get slack."""
    if market.ticker in rules.tickers:
        return None
    factor = rules.leave_factor if followed else 1.0
    if market.volume_centi * factor < rules.min_volume_centi:
        return Exclusion.VOLUME
    if top is None:
        return Exclusion.NOT_PROBED
    if top.spread_cc is None:
        return Exclusion.NO_BOOK
    if top.spread_cc > rules.max_spread_cc * factor:
        return Exclusion.SPREAD
    if top.depth_centi * factor < rules.min_depth_centi:
        return Exclusion.DEPTH
    return None


class Universe:
    """Selects the followed markets; keeps how often each of them has failed the filter in a row."""

    def __init__(self, rules: UniverseRules) -> None:
        self._rules = rules
        self._failures: dict[str, int] = {}

    @property
    def failures(self) -> tuple[tuple[str, int], ...]:
        """How often followed markets have failed the filter in a row."""
        return tuple(sorted(self._failures.items()))

    def newcomers(
        self, listed: Iterable[MarketMetadata], followed: frozenset[str], now_us: int
    ) -> list[MarketMetadata]:
        """List the markets that could be added, judged without their books, busiest first."""
        fit = [
            market
            for market in listed
            if market.ticker not in followed
            and passes_static_filter(market, self._rules) is None
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
            if passes_activity_filter(market, tops.get(market.ticker), self._rules, followed=False) is None
        ]
        places = max(0, self._rules.max_markets - len(pinned))
        selected = [*staying, *coming][:places]
        for newcomer in coming[max(0, places - len(staying)) :]:
            quietest = min((market for market in selected if market.ticker in followed), key=_volume, default=None)
            if quietest is None or newcomer.volume_centi <= quietest.volume_centi * self._rules.displace_factor:
                break
            selected[selected.index(quietest)] = newcomer
        tickers = pinned | {market.ticker for market in selected}
        self._failures = {ticker: count for ticker, count in self._failures.items() if ticker in tickers}
        return tickers

    def exclusion(self, market: MarketMetadata, top: TopOfBook | None, now_us: int) -> Exclusion:
        """Return why a listed market is not selected."""
        found = passes_static_filter(market, self._rules)
        if found is None and self._closes_soon(market, now_us):
            found = Exclusion.CLOSES_SOON
        found = found or passes_activity_filter(market, top, self._rules, followed=False)
        return found or Exclusion.UNIVERSE_FULL

    def _closes_soon(self, market: MarketMetadata, now_us: int) -> bool:
        return market.close_us - now_us < int(self._rules.min_time_to_close_s * MICROS)

    def _stays(self, ticker: str, listed: Mapping[str, MarketMetadata], tops: Mapping[str, TopOfBook]) -> bool:
        market = listed.get(ticker)
        if market is None or passes_static_filter(market, self._rules) is not None:
            return False
        if passes_activity_filter(market, tops.get(ticker), self._rules, followed=True) is None:
            self._failures.pop(ticker, None)
            return True
        self._failures[ticker] = self._failures.get(ticker, 0) + 1
        return self._failures[ticker] < self._rules.leave_after_failures


def choose_candidates(listed: Sequence[ListedMarket], rules: UniverseRules, now_us: int) -> frozenset[str]:
    """Return the listed markets whose metadata are worth reading: those that may be selected, and the busiest others.

    The busiest others are the ones whose exclusion is published.
    """
    places = 2 * rules.max_markets
    busiest = heapq.nsmallest(places + rules.max_excluded, listed, key=busiest_first)
    fit = (
        market
        for market in listed
        if (not rules.exchange_shards or market.exchange_index in rules.exchange_shards)
        and takes_orders(market.status)
        and market.volume_centi >= rules.min_volume_centi
        and market.close_us - now_us >= int(rules.min_time_to_close_s * MICROS)
        and (rules.multivariate or not market.ticker.startswith(MULTIVARIATE_PREFIX))
    )
    return frozenset(market.ticker for market in (*busiest, *heapq.nsmallest(places, fit, key=busiest_first)))


def busiest_first(market: Listed) -> tuple[int, str]:
    return -market.volume_centi, market.ticker


def _volume(market: MarketMetadata) -> tuple[int, str]:
    return market.volume_centi, market.ticker


def is_full(selected: frozenset[str], rules: UniverseRules) -> bool:
    """Return whether no place is free."""
    return len(selected) >= min(rules.max_markets, len(rules.tickers) or rules.max_markets)


def active_members(listed: Iterable[Listed]) -> dict[str, frozenset[str]]:
    """Return the active markets of each event, of which the sum of its prices needs every one."""
    members: dict[str, set[str]] = {}
    for market in listed:
        if market.status is MarketStatus.ACTIVE:
            members.setdefault(market.event, set()).add(market.ticker)
    return {event: frozenset(tickers) for event, tickers in members.items()}
