"""A recording's events: the typed frames in recorded order, without what a replay must not apply.

``read_events`` reads a recording of any format; ``decode_events`` makes the events of raw frames. There is exactly one
event for each recorded frame, and before it a ``BookGap`` where frames were lost:

| recorded | event |
|---|---|
| a book, trade or life-cycle frame | ``SnapshotFrame``, ``DeltaFrame``, ``TradeFrame``, ``LifecycleFrame`` |
| a frame of the account, a reply, an unused type | as decoded (``FillFrame``, ``Subscribed``, ``OtherFrame``, ...) |
| a frame that must not be applied | ``SkippedFrame`` with its reason |
| lost frames (a sequence number that does not follow) | ``BookGap`` with the markets whose books are unknown now |

A market's book is followed on the connection and subscription of its newest snapshot: changes on another one, or before
any snapshot, are skipped. A trade counts once, on whichever connection it was received first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

from cachetools import FIFOCache

from truebook.book.sequence import Sequence, Verdict
from truebook.capture.delta_block import DeltaBlock
from truebook.capture.event_types import BookGap, CapturedEvent, SkippedFrame, SkipReason
from truebook.capture.manifest import COLUMNAR_FORMAT, CaptureError, read_manifest
from truebook.capture.reader import CapturedFrame, read_capture
from truebook.kalshi.port import DeltaFrame, FrameError, SnapshotFrame, StreamEvent, TradeFrame
from truebook.kalshi.stream.frames import decode_frame

__all__ = [
    "BookGap", "CapturedEvent", "EventDecoder", "SkipReason", "SkippedFrame", "decode_events", "first_event_us",
    "read_blocks", "read_events",
]  # fmt: skip

MAX_KNOWN_TRADES: Final = 10_000
Stream: TypeAlias = tuple[int, int | None]
"""A connection of the recorder, and the id of a subscription on it."""


def read_events(path: Path) -> Iterator[CapturedEvent]:
    """Iterate over a recording's events in order; raises ``CaptureError`` at once or while reading."""
    if path.is_dir() and (manifest := read_manifest(path)).format == COLUMNAR_FORMAT:
        from truebook.capture.columnar.reader import read_columnar_events  # needs numpy, which loads slowly

        return read_columnar_events(path, manifest)
    return decode_events(read_capture(path))


def read_blocks(path: Path) -> Iterator[CapturedEvent | DeltaBlock]:
    """Iterate as ``read_events``; consecutive changes of one market are a block, where the format has columns."""
    if path.is_dir() and (manifest := read_manifest(path)).format == COLUMNAR_FORMAT:
        from truebook.capture.columnar.reader import read_columnar_blocks  # needs numpy, which loads slowly

        return read_columnar_blocks(path, manifest)
    return decode_events(read_capture(path))


def first_event_us(path: Path) -> int:
    """Return the time of a recording's first event, without skipped frames; raises ``CaptureError``."""
    for captured in read_events(path):
        if not isinstance(captured.event, SkippedFrame):
            return captured.at_us
    raise CaptureError(f"{path}: no frame of this recording can be applied; `truebook data info` lists why")


def decode_events(frames: Iterable[CapturedFrame]) -> Iterator[CapturedEvent]:
    """Decode raw frames, check their sequence numbers and follow the books; see the module."""
    decoder = EventDecoder()
    for frame in frames:
        yield from decoder.decode(frame)


class EventDecoder:
    """Decodes frames one by one, as they are received."""

    def __init__(self) -> None:
        self._following = _Following()

    def decode(self, frame: CapturedFrame) -> Iterator[CapturedEvent]:
        """Yield the event of a frame, and a gap that it reveals before it."""
        at_us, connection, following = frame.at_us, frame.connection, self._following
        try:
            event = decode_frame(frame.text, at_us, use_yes_price=frame.use_yes_price)
        except FrameError as error:
            yield CapturedEvent(at_us, connection, SkippedFrame(SkipReason.INVALID, str(error)))
            return
        if event is None:
            yield CapturedEvent(at_us, connection, SkippedFrame(SkipReason.EMPTY))
            return
        stream = (connection, event.sid)
        verdict = following.verdict(stream, event, frame.text)
        if verdict == "repeated":
            yield CapturedEvent(at_us, connection, SkippedFrame(SkipReason.REPEATED))
            return
        if verdict != "next":
            yield CapturedEvent(at_us, connection, BookGap(following.lose(stream), event.sid))
        yield CapturedEvent(at_us, connection, following.take(stream, event))


class _Following:
    """Which subscription each book is followed on, the subscriptions' sequences, and the newest trades."""

    def __init__(self) -> None:
        self._followed_on: dict[str, Stream] = {}
        self._sequences: dict[Stream, Sequence] = {}
        self._trades: FIFOCache[str, None] = FIFOCache(MAX_KNOWN_TRADES)

    def verdict(self, stream: Stream, event: StreamEvent, text: str) -> Verdict:
        """Check a frame's sequence number.

        A subscription of a later connection may have an old id: then its numbers restart, acknowledged or not.
        """
        if event.seq is None:
            return "next"
        return self._sequences.setdefault(stream, Sequence()).take(event.seq, text)

    def lose(self, stream: Stream) -> tuple[str, ...]:
        """Return the markets that were followed on a subscription, and follow them no more."""
        lost = tuple(ticker for ticker, followed_on in self._followed_on.items() if followed_on == stream)
        for ticker in lost:
            del self._followed_on[ticker]
        return lost

    def take(self, stream: Stream, event: StreamEvent) -> StreamEvent | SkippedFrame:
        """Return the event, or why it must not be applied."""
        match event:
            case DeltaFrame(ticker=ticker) if self._followed_on.get(ticker) != stream:
                return SkippedFrame(SkipReason.NOT_FOLLOWED)
            case SnapshotFrame(ticker=ticker):
                self._followed_on[ticker] = stream
            case TradeFrame(trade_id=trade_id):
                if trade_id in self._trades:
                    return SkippedFrame(SkipReason.DUPLICATE_TRADE)
                self._trades[trade_id] = None
        return event
