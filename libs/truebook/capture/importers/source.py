"""What an importer gives: streams of events, each in the order of receipt, and the markets that its files describe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

from truebook.capture.event_types import CapturedEvent
from truebook.capture.manifest import CaptureError
from truebook.capture.reader import CapturedFrame
from truebook.messages.envelope import Source
from truebook.messages.market_metadata import MarketMetadata

Timed = TypeVar("Timed", CapturedEvent, CapturedFrame)


class DataFormat(StrEnum):
    """The formats of recorded data that can be imported."""

    RECORDING = "recording"
    """Truebook's own recording, capture format 1."""
    FRAMES = "frames"
    """Raw WebSocket frames, one a line (.jsonl)."""
    WRAPPED = "wrapped"
    """Lines ``{"recv_ms", "event": frame}``, one file per market and day (.ndjson.gz)."""
    KALSHIEYE = "kalshieye"
    """Parquet datasets ``book_l2``, ``trades``, ``markets``, ``settlements``."""
    PREDICTIONDATA = "predictiondata"
    """Parquet or CSV files ``complete`` and ``trades`` of predictiondata.dev."""
    TRADES = "trades"
    """A CSV of trades only: there are no books."""


class BytesRead:
    """How many bytes of the input files have been read so far, for a progress bar."""

    def __init__(self) -> None:
        self.count = 0


@dataclass(frozen=True)
class EventStream(Generic[Timed]):
    """The events or frames of one market or file, opened when they are needed; ``first_us`` reads the first time."""

    name: str
    open: Callable[[], Iterator[Timed]]

    def first_us(self) -> int | None:
        """Return the time of the first event, None for a stream without events; raises ``CaptureError``."""
        events = self.open()
        first = next(events, None)
        close = getattr(events, "close", None)
        if close is not None:
            close()
        return None if first is None else first.at_us


@dataclass(frozen=True)
class ImportSource:
    """Recorded data of one format.

    ``metadata`` has the markets that the data describe. Where ``has_metadata`` is set, a market that is not in it is an
    error; else it is assumed from the events.
    """

    data_format: DataFormat
    streams: Sequence[EventStream[CapturedEvent]]
    bytes_total: int
    metadata: Mapping[str, MarketMetadata] = field(default_factory=dict)
    has_metadata: bool = False
    outcomes: Mapping[str, int] = field(default_factory=dict)
    """Settlement values that are not in ``metadata``, in 1/100 cent by ticker."""
    assumed_sides: Set[str] = frozenset()
    """The markets with an assumed side of a trade's taker; it grows while the streams are read."""
    source: Source = Source.CAPTURE
    hosts: tuple[str, ...] = ()


class ReceiptOrder:
    """Checks that the rows of a stream are in the order of receipt."""

    def __init__(self) -> None:
        self._last_us = 0

    def check(self, at_us: int, path: Path, place: str) -> None:
        """Raise ``CaptureError`` for a row that was received before the one before it."""
        if at_us < self._last_us:
            raise CaptureError(
                f"{path}, {place}: out of order, received {self._last_us - at_us} us before the previous row; "
                "sort the file by its time of receipt"
            )
        self._last_us = at_us
