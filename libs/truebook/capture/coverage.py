"""What a recording contains: its time, markets, outcomes, gaps, rates and spreads. Reads every event once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from truebook.capture.event_types import BookGap, SkippedFrame
from truebook.capture.events import read_events
from truebook.capture.known_books import KnownBooks, spread_cc
from truebook.capture.market_metadata import capture_metadata
from truebook.kalshi.port import DeltaFrame, LifecycleFrame, SnapshotFrame, StreamEvent, TradeFrame
from truebook.messages.market_metadata import MarketMetadata


class MarketCoverage(msgspec.Struct, kw_only=True):
    """One market of a recording. Times are microseconds since 1970, prices 1/100 cent, sizes 1/100 contract."""

    ticker: str
    close_us: int | None = None
    strike: float | None = None
    settlement_cc: int | None = None
    """The recorded outcome, the value of a YES contract; None: not recorded."""
    assumed: tuple[str, ...] = ()
    first_us: int = 0
    last_us: int = 0
    deltas: int = 0
    snapshots: int = 0
    trades: int = 0
    traded_centi: int = 0
    gaps: int = 0
    longest_pause_us: int = 0
    """The longest time between two events of the market."""
    known_us: int = 0
    """How long its book was known."""
    two_sided_us: int = 0
    """How long its known book had both a bid and an ask."""
    mean_spread_cc: int | None = None
    """The mean of best ask less best bid over the two-sided time, rounded down; None: never two-sided."""


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """A recording; ``skipped`` counts the frames that are not applied by their reason."""

    first_us: int
    last_us: int
    events: int
    deltas: int
    snapshots: int
    trades: int
    lifecycle: int
    gaps: int
    skipped: dict[str, int]
    markets: tuple[MarketCoverage, ...]


def coverage(path: Path) -> Coverage:
    """Read a recording and return what it contains; raises ``CaptureError``."""
    found = _Reading({one.ticker: _market(one) for one in capture_metadata(path)})
    first_us, last_us, events = 0, 0, 0
    for captured in read_events(path):
        first_us, last_us, events = first_us or captured.at_us, captured.at_us, events + 1
        found.add(captured.at_us, captured.event)
    counts = found.counts
    return Coverage(
        first_us=first_us, last_us=last_us, events=events, deltas=counts["deltas"], snapshots=counts["snapshots"],
        trades=counts["trades"], lifecycle=counts["lifecycle"], gaps=counts["gaps"], skipped=dict(found.skipped),
        markets=found.finish(),
    )  # fmt: skip


def _market(metadata: MarketMetadata) -> MarketCoverage:
    return MarketCoverage(
        ticker=metadata.ticker, close_us=metadata.close_us, strike=metadata.strike,
        settlement_cc=metadata.settlement_cc, assumed=metadata.assumed,
    )  # fmt: skip


class _Reading:
    """The counts so far, with the book of each market."""

    def __init__(self, markets: dict[str, MarketCoverage]) -> None:
        self.counts: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._markets = markets
        self._books = KnownBooks()
        self._spread_us: Counter[str] = Counter()
        """By market: the spread multiplied by its time."""

    def add(self, at_us: int, event: StreamEvent | BookGap | SkippedFrame) -> None:
        match event:
            case DeltaFrame():
                self.counts["deltas"] += 1
                self._pass_time(event.ticker, at_us).deltas += 1
            case SnapshotFrame():
                self.counts["snapshots"] += 1
                self._pass_time(event.ticker, at_us).snapshots += 1
            case TradeFrame():
                self.counts["trades"] += 1
                market = self._pass_time(event.ticker, at_us)
                market.trades += 1
                market.traded_centi += event.size_centi
            case LifecycleFrame(settlement_cc=int()) if event.ticker in self._markets:
                self.counts["lifecycle"] += 1
                self._markets[event.ticker].settlement_cc = event.settlement_cc
            case LifecycleFrame():
                self.counts["lifecycle"] += 1
            case BookGap(tickers=tickers):
                self.counts["gaps"] += 1
                for ticker in tickers:
                    self._pass_time(ticker, at_us).gaps += 1
            case SkippedFrame(reason=reason):
                self.skipped[str(reason)] += 1
        self._books.apply(event)

    def _pass_time(self, ticker: str, at_us: int) -> MarketCoverage:
        """Count the time since the market's last event for the book as it was, and return the market."""
        market = self._markets.setdefault(ticker, MarketCoverage(ticker=ticker))
        if not market.first_us:
            market.first_us = market.last_us = at_us
        passed_us = at_us - market.last_us
        market.last_us = at_us
        market.longest_pause_us = max(market.longest_pause_us, passed_us)
        book = self._books.get(ticker)
        if book is not None:
            market.known_us += passed_us
            if (spread := spread_cc(book)) is not None:
                market.two_sided_us += passed_us
                self._spread_us[ticker] += spread * passed_us
        return market

    def finish(self) -> tuple[MarketCoverage, ...]:
        """Return the markets by ticker, with their mean spreads."""
        for ticker, market in self._markets.items():
            if market.two_sided_us:
                market.mean_spread_cc = self._spread_us[ticker] // market.two_sided_us
        return tuple(self._markets[ticker] for ticker in sorted(self._markets))
