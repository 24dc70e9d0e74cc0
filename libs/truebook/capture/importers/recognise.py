"""Recognise the format of recorded data by its names and its first rows, and open it as streams of events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from truebook.capture.event_types import BookGap, CapturedEvent, SkippedFrame
from truebook.capture.events import decode_events
from truebook.capture.importers import kalshieye, predictiondata, trades_csv
from truebook.capture.importers.frames import bare_events, wrapped_events
from truebook.capture.importers.lines import numbered_lines
from truebook.capture.importers.listed_markets import METADATA, listed_markets
from truebook.capture.importers.source import BytesRead, DataFormat, EventStream, ImportSource
from truebook.capture.importers.tables import TABLE_SUFFIXES, column_names, is_table
from truebook.capture.importers.values import check_sid
from truebook.capture.manifest import COLUMNAR_FORMAT, MANIFEST, CaptureError, read_manifest
from truebook.capture.market_metadata import capture_metadata
from truebook.capture.reader import read_capture
from truebook.decoding import UNREADABLE
from truebook.kalshi.wire.times import to_rfc3339
from truebook.money import WireFormatError

FRAME_SUFFIXES: Final = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
SUFFIXES: Final = (*FRAME_SUFFIXES, *TABLE_SUFFIXES)
DATE: Final = re.compile(r"20\d\d-\d\d-\d\d$")
Opener: TypeAlias = Callable[[Sequence[Path], BytesRead], Iterator[CapturedEvent]]


def open_source(path: Path, data_format: DataFormat | None, counter: BytesRead) -> ImportSource:
    """Open data of the given format, or of the recognised one; raises ``CaptureError``."""
    if not path.exists():
        raise CaptureError(f"{path}: no such file or folder; give the data to import")
    files = data_files(path, data_format)
    found = data_format or recognise(path, files)
    files = _of_format(path, files, found)
    match found:
        case DataFormat.RECORDING:
            return _recording(path, counter)
        case DataFormat.FRAMES:
            if packed := [one for one in files if one.suffix != ".jsonl"]:
                raise CaptureError(f"{packed[0]}: bare frames are read from .jsonl files; unpack or rename it")
            streams = [EventStream(str(path), partial(bare_events, files, counter))]
            return ImportSource(found, streams, _size(files))
        case DataFormat.WRAPPED:
            metadata, has_metadata = listed_markets(path)
            streams = _by_market(files, _market_of_frames, wrapped_events, counter)
            return ImportSource(found, streams, _size(files), metadata, has_metadata)
        case DataFormat.PREDICTIONDATA:
            return _predictiondata(files, counter)
        case DataFormat.KALSHIEYE:
            return _kalshieye(path, files, counter)
        case DataFormat.TRADES:
            sides: set[str] = set()
            streams = [EventStream(str(one), partial(trades_csv.trade_events, one, counter, sides)) for one in files]
            return ImportSource(found, streams, _size(files), assumed_sides=sides)


def data_files(path: Path, data_format: DataFormat | None = None) -> list[Path]:
    """List the data files at a path, by name; none for a recording. Raises ``CaptureError`` where there are none."""
    if path.is_file():
        return [path]
    if data_format is DataFormat.RECORDING or (data_format is None and _is_recording(path)):
        return []
    found = sorted(
        one for one in path.rglob("*")
        if one.is_file() and METADATA not in one.relative_to(path).parts[:-1] and one.name != "MARKETS.csv"
        and (is_table(one) or one.name.endswith(FRAME_SUFFIXES))
    )  # fmt: skip
    if not found:
        raise CaptureError(
            f"{path}: no recorded data in it (.jsonl, .ndjson.gz, .parquet, .csv, or a recording with {MANIFEST})"
        )
    return found


def _is_recording(path: Path) -> bool:
    """Return whether a folder has a manifest of a recording, or one that is damaged."""
    if not (path / MANIFEST).is_file():
        return False
    try:
        keys = msgspec.json.decode((path / MANIFEST).read_bytes(), type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        return False
    except (*UNREADABLE, OSError):
        return True
    return {"format", "files"} <= keys.keys()


def _of_format(path: Path, files: list[Path], data_format: DataFormat) -> list[Path]:
    """Return the files in a folder that the format can have; others may be beside them."""
    if path.is_file() or data_format is DataFormat.RECORDING:
        return files
    suffixes = FRAME_SUFFIXES if data_format in (DataFormat.FRAMES, DataFormat.WRAPPED) else TABLE_SUFFIXES
    found = [one for one in files if one.name.endswith(suffixes)]
    if not found:
        raise CaptureError(f"{path}: no {', '.join(suffixes[:-1])} or {suffixes[-1]} of {data_format} in it")
    return found


def recognise(path: Path, files: Sequence[Path]) -> DataFormat:
    """Return the format of data files; raises ``CaptureError`` where it is none of ``DataFormat``."""
    if not files:
        return DataFormat.RECORDING
    first = files[0]
    if first.name.endswith(FRAME_SUFFIXES):
        return _of_line(first)
    if not is_table(first):
        raise CaptureError(f"{first}: unknown format; the formats are {', '.join(DataFormat)}")
    for one in files:
        if is_table(one) and (found := _of_columns(column_names(one))) is not None:
            return found
    if frames := [one for one in files if one.name.endswith(FRAME_SUFFIXES)]:
        return _of_line(frames[0])
    columns = ", ".join(column_names(first))
    raise CaptureError(f"{first}: unknown format with the columns {columns}; the formats are {', '.join(DataFormat)}")


def _of_line(path: Path) -> DataFormat:
    first = next(numbered_lines(path, BytesRead()), None)
    if first is None:
        raise CaptureError(f"{path}: empty; nothing was recorded")
    try:
        content = msgspec.json.decode(first[1])
    except UNREADABLE as error:
        raise CaptureError(f"{path}, line {first[0]}: not JSON: {error}; restore the file") from error
    keys = content.keys() if isinstance(content, dict) else ()
    if {"recv_ms", "event"} <= set(keys):
        return DataFormat.WRAPPED
    if "type" in keys:
        return DataFormat.FRAMES
    raise CaptureError(
        f"{path}, line {first[0]}: unknown format: neither a frame with a type nor a wrapped one with recv_ms and event"
    )


def _of_columns(names: Sequence[str]) -> DataFormat | None:
    columns = set(names)
    if predictiondata.COLUMN in columns:
        return DataFormat.PREDICTIONDATA
    if "ts_recv" in columns:
        return DataFormat.KALSHIEYE
    if all(
        columns.intersection(some)
        for some in (trades_csv.TICKER, trades_csv.TIME, (*trades_csv.PRICE, trades_csv.DOLLARS))
    ):
        return DataFormat.TRADES
    return None


def _recording(path: Path, counter: BytesRead) -> ImportSource:
    manifest = read_manifest(path)
    if manifest.format == COLUMNAR_FORMAT:
        raise CaptureError(f"{path}: a recording of format 2 already; use it as it is")

    def events() -> Iterator[CapturedEvent]:
        for captured in decode_events(read_capture(path)):
            if not isinstance(captured.event, BookGap | SkippedFrame):
                try:
                    check_sid(captured.event)
                except WireFormatError as error:
                    at = to_rfc3339(captured.at_us)
                    raise CaptureError(f"{path}, frame received at {at}: {error}; it cannot be stored") from error
            yield captured
        counter.count = size

    size = _size([path / name for name in manifest.files if (path / name).is_file()])
    metadata = {one.ticker: one for one in capture_metadata(path)}
    return ImportSource(
        DataFormat.RECORDING, [EventStream(str(path), events)], size, metadata, source=manifest.source,
        hosts=manifest.hosts,
    )  # fmt: skip


def _predictiondata(files: Sequence[Path], counter: BytesRead) -> ImportSource:
    columns = {one: column_names(one) for one in files}
    books = [one for one in files if predictiondata.COMPLETE_COLUMN in columns[one]]
    trades = [one for one in files if {"taker_side", "quantity"} <= set(columns[one])]
    if unused := [one for one in files if one not in (*books, *trades)]:
        raise CaptureError(f"{unused[0]}: neither the table complete nor trades of predictiondata.dev; move it away")
    streams = [
        *_by_market(books, _market_of_table, predictiondata.book_events, counter),
        *_by_market(trades, _market_of_table, predictiondata.trade_events, counter),
    ]
    return ImportSource(DataFormat.PREDICTIONDATA, streams, _size(files))


def _market_of_table(path: Path) -> str:
    """Return what the files of one market share: their folder and, in a flat folder, their names up to the date."""
    return f"{path.parent}/{_name_and_date(path)[0]}"


def _market_of_frames(path: Path) -> str:
    """Return the same of wrapped frames, of which all files without a date in a folder have one market."""
    name, date = _name_and_date(path)
    return f"{path.parent}/{name if date else ''}"


def _name_and_date(path: Path) -> tuple[str, str]:
    """Divide a file's name without its ending, which is not all after the first dot: a ticker may contain dots."""
    name = next((path.name.removesuffix(one) for one in SUFFIXES if path.name.endswith(one)), path.stem)
    date = DATE.search(name)
    return (name[: date.start()], date[0]) if date else (name, "")


def _kalshieye(path: Path, files: Sequence[Path], counter: BytesRead) -> ImportSource:
    columns = {one: set(column_names(one)) for one in files}
    books = [one for one in files if set(kalshieye.BOOK_COLUMNS) <= columns[one]]
    trades = [one for one in files if {"trade_id", "taker_side"} <= columns[one]]
    markets = [one for one in files if {"open_time", "close_time"} <= columns[one]]
    settlements = [one for one in files if "result" in columns[one] and one not in markets]
    if not books and not trades:
        raise CaptureError(f"{path}: neither book_l2 nor trades of KalshiEye; download one of them")
    streams = [
        *_by_market(books, _series_of_table, kalshieye.book_events, counter),
        *_by_market(trades, _series_of_table, kalshieye.trade_events, counter),
    ]
    return ImportSource(
        DataFormat.KALSHIEYE, streams, _size([*books, *trades]), kalshieye.market_metadata(markets), bool(markets),
        outcomes=kalshieye.outcomes(settlements),
    )  # fmt: skip


def _series_of_table(path: Path) -> str:
    """Return what the files of one series share: the folders without the date, or a file of its own."""
    parts = [part for part in path.parent.parts if not part.startswith("date=")]
    return "/".join(parts) if len(parts) < len(path.parent.parts) else str(path)


def _by_market(
    files: Sequence[Path], market_of: Callable[[Path], str], events: Opener, counter: BytesRead
) -> list[EventStream[CapturedEvent]]:
    """Make one stream for the files of each market, in the order of their paths, which have the dates."""
    ordered = sorted(files, key=lambda one: (market_of(one), str(one)))
    groups: list[tuple[str, Any]] = [(name, tuple(group)) for name, group in groupby(ordered, market_of)]
    return [EventStream(name, partial(events, group, counter)) for name, group in groups]


def _size(files: Sequence[Path]) -> int:
    return sum(one.stat().st_size for one in files)
