"""Import raw frames: bare ``.jsonl`` files, and lines that wrap a frame with its time of receipt.

Bare files are merged by time; each counts as a connection of its own, so that a market which several files contain has
one book: that of the newest snapshot.

In the wrapped form a file has one market's frames. Their ``seq`` belongs to a subscription that is shared with other
markets, so that it grows by jumps; a number that goes back, or another ``sid``, is a new subscription, and frames
between them are lost. The files of one market are read one after another, by name: a market that is open at midnight
UTC has two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec
from cachetools import FIFOCache

from truebook.capture.event_types import BookGap, CapturedEvent, SkippedFrame, SkipReason
from truebook.capture.events import MAX_KNOWN_TRADES, decode_events
from truebook.capture.importers.lines import numbered_lines
from truebook.capture.importers.merge import merge
from truebook.capture.importers.source import BytesRead, EventStream, ReceiptOrder
from truebook.capture.importers.values import check_frame, check_time, time_us
from truebook.capture.manifest import CaptureError
from truebook.capture.reader import CapturedFrame, read_capture
from truebook.decoding import UNREADABLE
from truebook.kalshi.port import DeltaFrame, FrameError, SnapshotFrame, StreamEvent, TradeFrame
from truebook.kalshi.stream.frames import decode_frame
from truebook.money import WireFormatError


class WrappedLine(msgspec.Struct):
    """One line of the wrapped form."""

    recv_ms: int
    event: msgspec.Raw


_decode_line = msgspec.json.Decoder(WrappedLine).decode


def bare_events(paths: Sequence[Path], counter: BytesRead) -> Iterator[CapturedEvent]:
    """Iterate over the events of bare files; an invalid frame raises ``CaptureError``."""
    streams = [EventStream(str(path), partial(_frames, path, number, counter)) for number, path in enumerate(paths)]
    frames: Counter[int] = Counter()
    for captured in decode_events(merge(streams)):
        event = captured.event
        frames[captured.connection] += not isinstance(event, BookGap)
        try:
            check_time(captured.at_us, "time of the frame")
            if isinstance(event, SkippedFrame):
                if event.reason is SkipReason.INVALID:
                    raise WireFormatError(event.detail)
            elif not isinstance(event, BookGap):
                check_frame(event)
        except WireFormatError as error:
            path = paths[captured.connection]
            numbers = [number for number, _ in numbered_lines(path, BytesRead())]
            line = numbers[frames[captured.connection] - 1]
            raise CaptureError(f"{path}, line {line}: {error}; remove or restore the line") from error
        yield captured


def wrapped_events(paths: Sequence[Path], counter: BytesRead) -> Iterator[CapturedEvent]:
    """Iterate over one market's events in the wrapped form; raises ``CaptureError``."""
    order, market = ReceiptOrder(), _WrappedMarket()
    for path in paths:
        number = 0
        for number, line in numbered_lines(path, counter):
            try:
                wrapped = _decode_line(line)
                at_us = time_us(wrapped.recv_ms, "milliseconds", "recv_ms")
                frame = bytes(wrapped.event)
                event = decode_frame(frame, at_us)
                if event is not None:
                    check_frame(event)
            except UNREADABLE as error:
                cut = "" if line.endswith(b"\n") else "; the file is cut off"
                raise CaptureError(f"{path}, line {number}: not a wrapped frame: {error}{cut}; restore it") from error
            except (FrameError, WireFormatError) as error:
                raise CaptureError(f"{path}, line {number}: {error}; correct or remove the line") from error
            order.check(at_us, path, f"line {number}")
            if event is None:
                continue
            if market.is_last_line(event, line):
                raise CaptureError(f"{path}, line {number}: the previous line again; remove the duplicate")
            if reason := market.repeated(event, frame):
                yield CapturedEvent(at_us, 0, SkippedFrame(reason))
                continue
            if lost := market.lost_by(event):
                yield CapturedEvent(at_us, 0, BookGap(lost, event.sid))
            yield CapturedEvent(at_us, 0, event)
        if number == 0:
            raise CaptureError(f"{path}: empty; remove or restore it")


def _frames(path: Path, connection: int, counter: BytesRead) -> Iterator[CapturedFrame]:
    for frame in read_capture(path):
        yield CapturedFrame(frame.at_us, connection, frame.text, frame.use_yes_price)
    counter.count += path.stat().st_size


class _WrappedMarket:
    """The newest frame and number of the book's subscription, the newest trades, and the markets with a book."""

    def __init__(self) -> None:
        self._with_book: dict[str, None] = {}
        self._last: tuple[int | None, int] | None = None
        self._last_line = self._last_frame = b""
        self._trades: FIFOCache[str, None] = FIFOCache(MAX_KNOWN_TRADES)

    def is_last_line(self, event: StreamEvent, line: bytes) -> bool:
        """Return whether a numbered frame is the previous line again."""
        last_line, self._last_line = self._last_line, line
        return event.seq is not None and line == last_line

    def repeated(self, event: StreamEvent, frame: bytes) -> SkipReason | None:
        """Return why a frame that was received again must not be applied: a trade, or the newest change of the book."""
        match event:
            case TradeFrame(trade_id=trade_id):
                if trade_id in self._trades:
                    return SkipReason.DUPLICATE_TRADE
                self._trades[trade_id] = None
            case DeltaFrame() | SnapshotFrame():
                last_frame, self._last_frame = self._last_frame, frame
                if isinstance(event, DeltaFrame) and event.seq is not None and frame == last_frame:
                    return SkipReason.REPEATED
        return None

    def lost_by(self, event: StreamEvent) -> tuple[str, ...]:
        """Return the markets whose books are unknown: the subscription is another one, or its numbers went back."""
        if event.seq is None or not isinstance(event, DeltaFrame | SnapshotFrame):
            return ()
        last, self._last = self._last, (event.sid, event.seq)
        is_new = last is not None and (event.sid != last[0] or event.seq <= last[1])
        lost = tuple(self._with_book) if is_new else ()
        self._with_book[event.ticker] = None
        return lost
