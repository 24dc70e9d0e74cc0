"""The metadata of a recording's markets: read from its ``markets.jsonl``, or assumed for a bare file.

Assumed fields are listed in the metadata: event and series are derived from the ticker, the fee is the standard one,
the grid is whole cents unless the frames contain finer prices, and the close is far after the recording's end.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from truebook.capture.manifest import MARKETS, CaptureError, checked_file, read_manifest
from truebook.capture.reader import CapturedFrame, read_capture
from truebook.clock import MICROS
from truebook.decoding import UNREADABLE
from truebook.kalshi.port import DeltaFrame, FrameError, SnapshotFrame, TradeFrame
from truebook.kalshi.stream.frames import decode_frame
from truebook.messages.market_metadata import LINEAR_CENT, MarketMetadata, PriceRange
from truebook.venue.assumed_market import assumed_metadata

CLOSES_AFTER_END_US: Final = 30 * 86_400 * MICROS


def capture_metadata(path: Path) -> tuple[MarketMetadata, ...]:
    """Return the metadata of every market in a recording, by ticker; raises ``CaptureError``.

    For a bare file, or a folder without recorded markets, it is assumed after one pass over all frames.
    """
    recorded = _read_metadata(path) if path.is_dir() else ()
    return recorded or assume_metadata(read_capture(path))


class SeenMarkets:
    """The markets with a book or trades in a recording, and the finest price step of each."""

    def __init__(self) -> None:
        self._steps: dict[str, int] = {}
        self._first_us: int | None = None
        self._last_us = 0

    @property
    def tickers(self) -> Iterable[str]:
        return self._steps

    def add(self, at_us: int, event: object) -> None:
        """Note the market and the prices of an event; events come in the order of their times."""
        if self._first_us is None:
            self._first_us = at_us
        self._last_us = at_us
        match event:
            case DeltaFrame(ticker=ticker, price_cc=price_cc) | TradeFrame(ticker=ticker, price_cc=price_cc):
                step_cc = self._steps.get(ticker)
                if step_cc is None or price_cc % step_cc:
                    self._steps[ticker] = min(step_cc or 100, _step(price_cc))
            case SnapshotFrame(ticker=ticker):
                steps = [_step(price_cc) for price_cc, _ in (*event.bids, *event.asks)]
                self._steps[ticker] = min(self._steps.get(ticker, 100), *steps, 100)

    def assumed(self) -> tuple[MarketMetadata, ...]:
        """Return the assumed metadata of all markets, by ticker."""
        if self._first_us is None:
            return ()
        close_us = self._last_us + CLOSES_AFTER_END_US
        return tuple(
            assumed_metadata(ticker, self._first_us, close_us, _grid(step))
            for ticker, step in sorted(self._steps.items())
        )


def assume_metadata(frames: Iterable[CapturedFrame]) -> tuple[MarketMetadata, ...]:
    """Assume the metadata of every ticker with a book or trades in the frames. Invalid frames are skipped."""
    seen = SeenMarkets()
    for frame in frames:
        try:
            event = decode_frame(frame.text, 0, use_yes_price=frame.use_yes_price)
        except FrameError:
            event = None
        seen.add(frame.at_us, event)
    return seen.assumed()


def _step(price_cc: int) -> int:
    """Return the coarsest of the exchange's steps (1 cent, 0.1 cent, 0.01 cent) whose grid contains a price."""
    return next(step for step in (100, 10, 1) if price_cc % step == 0)


def _grid(step_cc: int) -> tuple[PriceRange, ...]:
    return LINEAR_CENT if step_cc == 100 else (PriceRange(0, 10_000, step_cc),)


def _read_metadata(folder: Path) -> tuple[MarketMetadata, ...]:
    manifest = read_manifest(folder)
    entry = manifest.files.get(MARKETS)
    if entry is None:
        return ()
    path = checked_file(folder, MARKETS, entry)
    metadata = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            metadata.append(msgspec.json.decode(line, type=MarketMetadata))
        except UNREADABLE as error:
            raise CaptureError(f"{path}, line {number}: invalid market metadata: {error}; record again") from error
    return tuple(sorted(metadata, key=lambda one: one.ticker))
