"""The part of a recording that a backtest uses: a window of time, and some of its markets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar, overload

import msgspec

from truebook.backtest.before_window import KnownBefore
from truebook.backtest.engine.periodic import NEVER_US
from truebook.backtest.engine.venue import Recorded
from truebook.capture.delta_block import DeltaBlock
from truebook.capture.event_types import BookGap, CapturedEvent, SkippedFrame
from truebook.capture.events import read_blocks, read_events
from truebook.capture.manifest import CaptureError
from truebook.capture.market_metadata import capture_metadata
from truebook.kalshi.port import DeltaFrame, LifecycleFrame, SnapshotFrame, TradeFrame
from truebook.messages.market_metadata import MarketMetadata

BLOCK = 1 << 20


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """``from_us`` and ``to_us`` (included; None: to the end) of the recording's time; empty ``markets`` are all."""

    from_us: int = 0
    to_us: int | None = None
    markets: frozenset[str] = frozenset()

    def has(self, ticker: str) -> bool:
        return not self.markets or ticker in self.markets


class EmptyWindow(CaptureError):
    """The recording has no event of these markets in this time."""


EventT = TypeVar("EventT")


class WindowedData(NamedTuple, Generic[EventT]):
    """The markets of a window, the time of its first event, all of its events, and other markets of the same events."""

    markets: list[MarketMetadata]
    start_us: int
    events: Iterator[tuple[int, EventT]]
    others: tuple[MarketMetadata, ...] = ()


def read_window(path: Path, window: Window) -> WindowedData[Recorded]:
    """Begin to read a window; raises ``CaptureError`` where a market is unknown or there is no event."""
    markets, others = _markets(path, window)
    return _begun(path, markets, others, select(read_events(path), window, _tickers(others)))


def read_window_blocks(path: Path, window: Window) -> WindowedData[Recorded | DeltaBlock]:
    """Begin to read as ``read_window``; consecutive changes of one market may be a block, at the time of its first."""
    markets, others = _markets(path, window)
    return _begun(path, markets, others, select(read_blocks(path), window, _tickers(others)))


Markets = Sequence[MarketMetadata]


def _markets(path: Path, window: Window) -> tuple[Markets, Markets]:
    """Return the selected markets, and the others of their events; raises ``CaptureError`` for one that is unknown."""
    recorded = capture_metadata(path)
    markets = [one for one in recorded if window.has(one.ticker)]
    shared = {one.event for one in markets}
    others = tuple(one for one in recorded if not window.has(one.ticker) and one.event in shared)
    unknown = window.markets - {one.ticker for one in markets}
    if unknown:
        raise CaptureError(f"{path}: no market {min(unknown)} in this recording")
    return markets, others


def _tickers(markets: Markets) -> frozenset[str]:
    return frozenset(one.ticker for one in markets)


def _begun(
    path: Path, markets: Markets, others: Markets, events: Iterator[tuple[int, EventT]]
) -> WindowedData[EventT]:  # fmt: skip
    first = next(events, None)
    if first is None:
        raise EmptyWindow(f"{path}: no event in the window of time")
    return WindowedData(list(markets), first[0], chain((first,), events), tuple(others))


@overload
def select(
    events: Iterable[CapturedEvent], window: Window, others: frozenset[str] = frozenset()
) -> Iterator[tuple[int, Recorded]]: ...
@overload
def select(
    events: Iterable[CapturedEvent | DeltaBlock], window: Window, others: frozenset[str] = frozenset()
) -> Iterator[tuple[int, Recorded | DeltaBlock]]: ...
def select(
    events: Iterable[CapturedEvent | DeltaBlock], window: Window, others: frozenset[str] = frozenset()
) -> Iterator[tuple[int, Recorded | DeltaBlock]]:
    """Yield the events of the window, at its start what is known by then of the life cycle and of each book.

    Of ``others``, which are listed but not traded, the life cycle is yielded; a window begins with an event of its own
    markets. A block that is partly before or after the window is divided into its events.
    """
    known = KnownBefore()
    is_before = window.from_us > 0 or bool(others)
    event: Recorded | SkippedFrame | DeltaBlock
    for captured in _divided(events, window):
        if isinstance(captured, DeltaBlock):
            at_us, event = captured.at_us[0], captured
        else:
            at_us, event = captured.at_us, captured.event
        if window.to_us is not None and at_us > window.to_us:
            return
        is_other = isinstance(event, LifecycleFrame) and event.ticker in others
        if isinstance(event, SkippedFrame) or not (is_other or _is_selected(event, window)):
            continue
        if isinstance(event, BookGap):
            event = BookGap(tuple(filter(window.has, event.tickers)), event.sid)
        if is_before and (is_other or at_us < window.from_us):
            assert not isinstance(event, DeltaBlock), "divided"
            known.add(event)
            continue
        if is_before:
            is_before = False
            yield from ((at_us, each) for each in known.events())
        yield at_us, event


def _divided(
    events: Iterable[CapturedEvent | DeltaBlock], window: Window
) -> Iterator[CapturedEvent | DeltaBlock]:  # fmt: skip
    to_us = NEVER_US if window.to_us is None else window.to_us
    for one in events:
        if isinstance(one, DeltaBlock) and (one.at_us[0] < window.from_us or one.at_us[-1] > to_us):
            yield from one.events()
        else:
            yield one


def _is_selected(event: Recorded | DeltaBlock, window: Window) -> bool:
    match event:
        case DeltaBlock() | DeltaFrame() | SnapshotFrame() | TradeFrame() | LifecycleFrame():
            return window.has(event.ticker)
        case BookGap():
            return any(window.has(ticker) for ticker in event.tickers)
    return True


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a recording: of its file, or of the names and contents of all files of its folder."""
    files = tuple(sorted(one for one in path.rglob("*") if one.is_file())) if path.is_dir() else (path,)
    return _digest(path, files, tuple((stat.st_size, stat.st_mtime_ns) for stat in (file.stat() for file in files)))


@lru_cache(maxsize=8)
def _digest(path: Path, files: tuple[Path, ...], written: tuple[tuple[int, int], ...]) -> str:
    """Read the files, once for several backtests of one recording; ``written`` are their sizes and times."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(path)}\n".encode() if path.is_dir() else b"")
        with file.open("rb") as content:
            while block := content.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()
