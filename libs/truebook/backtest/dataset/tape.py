"""The rows of a recording around the observations that are being labelled, by market, within bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from truebook.backtest.calibration.market_rows import MarketRows, by_market, concatenated
from truebook.backtest.calibration.sampling import spans_of
from truebook.backtest.tape.tops import TopTracker
from truebook.backtest.window import Window
from truebook.capture.columns import Columns


class KnownData:
    """What one reading of a recording shows of its markets, within a window."""

    def __init__(self, chunks: Iterable[Columns], window: Window) -> None:
        self.outcomes_cc: dict[str, int] = {}
        """Settlement values of life-cycle events in the window, by ticker."""
        self._window = window
        self._spans = spans_of(self._noting_outcomes(chunks))

    def end_us(self, market: int) -> int | None:
        """Return the time of a market's last change or trade, at most the window's end; None: it has no book."""
        span, to_us = self._spans.get(market), self._window.to_us
        if span is None:
            return None
        return span[1] if to_us is None else min(span[1], to_us)

    def _noting_outcomes(self, chunks: Iterable[Columns]) -> Iterator[Columns]:
        to_us = self._window.to_us
        for rows in chunks:
            for row, event in rows.lifecycle.items():
                if event.settlement_cc is not None and (to_us is None or rows.at_us[row] <= to_us):
                    self.outcomes_cc[event.ticker] = event.settlement_cc
            yield rows


class Tape:
    """Reads a recording once, ahead of the observations."""

    def __init__(self, chunks: Iterable[Columns]) -> None:
        self._chunks = iter(chunks)
        self._tracker = TopTracker()
        self._pieces: dict[int, list[MarketRows]] = {}
        self._read_us = -1

    def read(self, from_us: int, to_us: int) -> None:
        """Read all rows to a time, that included; rows that are over before ``from_us`` are dropped."""
        while self._read_us <= to_us:
            rows = next(self._chunks, None)
            if rows is None:
                return
            for market, piece in by_market(rows, self._tracker.add(rows)):
                pieces = self._pieces.setdefault(market, [])
                pieces.append(piece)
                while len(pieces) > 1 and pieces[1].at_us[0] < from_us:
                    del pieces[0]
            if len(rows):
                self._read_us = int(rows.at_us[-1])

    def rows(self, market: int) -> MarketRows | None:
        """Return the kept rows of a market; None if there are none."""
        pieces = self._pieces.get(market)
        if not pieces:
            return None
        if len(pieces) > 1:
            self._pieces[market] = pieces = [concatenated(pieces)]
        return pieces[0]

    def release(self, before_us: int) -> None:
        """Drop the rows before a time, except the last one of each market."""
        for market in self._pieces:
            rows = self.rows(market)
            if rows is not None:
                self._pieces[market] = [rows.since(before_us)]
