"""What an episode replays: the recorded events of one market or of several, drawn by a seed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from truebook.backtest.engine.venue import Recorded
from truebook.backtest.window import Window, select
from truebook.capture.event_types import BookGap, CapturedEvent
from truebook.capture.events import read_events
from truebook.capture.market_metadata import capture_metadata
from truebook.messages.market_metadata import MarketMetadata

Events = Sequence[tuple[int, Recorded]]
"""(time in microseconds, event), in the order of their times."""


class NoData(ValueError):
    """The data have nothing that an episode could replay: what is missing, where, and what to do."""


class EmptyTape(NoData):
    """The drawn tape has no event; another draw may have some."""


class Tape(msgspec.Struct, frozen=True):
    """The markets of one episode and their events, of which there is at least one."""

    markets: tuple[MarketMetadata, ...]
    events: Events
    others: tuple[MarketMetadata, ...] = ()
    """Other markets of the same events of the exchange: listed, as in a backtest, and not traded."""


class TapeSource(Protocol):
    """Draws the tape of an episode; the same state of ``generator`` gives the same tape.

    ``options`` are those of ``reset``; raises ``NoData`` for options that name something unknown, ``EmptyTape`` where
    another draw may succeed.
    """

    def draw(self, generator: np.random.Generator, options: Mapping[str, Any]) -> Tape: ...


class RecordedTapes:
    """A recording, read once, at the first episode, and kept in memory.

    ``tickers``: the markets to use; all where empty. ``each``: an episode has one market, which the seed draws; else it
    has all of them. ``window_us``: the length of an episode; its start is the time of an event that the seed draws.
    None takes the whole tape.

    Options of ``reset``: ``market`` (a ticker, with ``each``) and ``from_us`` (the start of the window).
    """

    def __init__(self, path: Path, *, each: bool, tickers: Iterable[str] = (), window_us: int | None = None) -> None:
        """Raises ``CaptureError`` if the recording can't be read, ``NoData`` if it lacks one of the tickers."""
        if window_us is not None and window_us <= 0:
            raise NoData(f"window_us is {window_us}: give the length of an episode in microseconds, or None")
        self._path = path
        self._each = each
        self._window_us = window_us
        self._markets = {one.ticker: one for one in capture_metadata(path)}
        self._tickers = tuple(sorted(set(tickers))) or tuple(sorted(self._markets))
        for ticker in self._tickers:
            self._require(ticker)
        self._tapes: dict[str, Tape] | None = None
        self.kept: dict[Hashable, Any] = {}
        """What readers have computed from these data, by what it depends on."""

    def __deepcopy__(self, _memo: object) -> RecordedTapes:
        """Share the data: gymnasium copies the arguments of each environment."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave the data out: another process reads them again."""
        return self.__dict__ | {"_tapes": None, "kept": {}}

    def draw(self, generator: np.random.Generator, options: Mapping[str, Any]) -> Tape:
        tapes = self._read()
        drawn = sorted(tapes)[int(generator.integers(len(tapes)))]
        ticker = options.get("market", drawn) if self._each else drawn
        if ticker not in tapes:
            self._require(ticker)
            raise NoData(f"{self._path}: no event of market {ticker}: leave it out")
        return self._cut(tapes[ticker], generator, options.get("from_us"))

    def is_whole(self, tape: Tape) -> bool:
        """Return whether other draws give the same tape, not a window of it."""
        return any(tape is one for one in (self._tapes or {}).values())

    def _require(self, ticker: str) -> None:
        if ticker not in self._markets or (self._tickers and ticker not in self._tickers):
            known = ", ".join(sorted(self._markets)[:3])
            raise NoData(f"{self._path}: no market {ticker!r} in these data; they have {known}, ...")

    def _cut(self, tape: Tape, generator: np.random.Generator, from_us: int | None) -> Tape:
        if from_us is None and self._window_us is None:
            return tape
        start_us = self._draw_start(tape.events, generator) if from_us is None else from_us
        to_us = None if self._window_us is None else start_us + self._window_us
        captured = (CapturedEvent(at_us, 0, event) for at_us, event in tape.events)
        events = list(select(captured, Window(from_us=start_us, to_us=to_us)))
        if not events:
            span = f"from {start_us} on" if to_us is None else f"from {start_us} to {to_us}"
            raise EmptyTape(f"{self._path}: no event {span}; the data end at {tape.events[-1][0]}")
        return Tape(tape.markets, events, tape.others)

    def _draw_start(self, events: Events, generator: np.random.Generator) -> int:
        """Draw the time of an event before the last window, or take the first: a window in a pause has no event."""
        latest_us = events[-1][0] - (self._window_us or 0)
        count = bisect_right(events, latest_us, key=lambda one: one[0])
        return events[int(generator.integers(max(1, count)))][0]

    def _read(self) -> dict[str, Tape]:
        if self._tapes is None:
            window = Window(markets=frozenset(self._tickers))
            events = list(select(read_events(self._path), window))
            if not events:
                raise NoData(f"{self._path}: no event of these markets: record or import other data")
            self._tapes = self._by_market(events) if self._each else {"": self._tape(self._tickers, events)}
        return self._tapes

    def _by_market(self, events: Events) -> dict[str, Tape]:
        found: dict[str, list[tuple[int, Recorded]]] = {ticker: [] for ticker in self._tickers}
        for at_us, event in events:
            ticker = getattr(event, "ticker", None)
            if isinstance(event, BookGap):
                for lost in event.tickers:
                    found[lost].append((at_us, BookGap((lost,), event.sid)))
            elif ticker is not None:
                found[ticker].append((at_us, event))
            else:  # of no market: an account's frame
                for own in found.values():
                    own.append((at_us, event))
        return {ticker: self._tape((ticker,), own) for ticker, own in found.items() if own}

    def _tape(self, tickers: Iterable[str], events: Events) -> Tape:
        own = {ticker: self._markets[ticker] for ticker in tickers}
        shared = {one.event for one in own.values()}
        others = (one for one in self._markets.values() if one.ticker not in own and one.event in shared)
        return Tape(tuple(own.values()), events, tuple(others))
