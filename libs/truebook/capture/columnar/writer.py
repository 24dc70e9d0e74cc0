"""Writes a recording in capture format 2. All files are written into ``FOLDER.part``, which is renamed when complete: a
writer that is interrupted leaves nothing under the recording's name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from truebook.capture.columnar.schema import DELTA_ENCODED, NUMBERS, ROW_GROUP_ROWS, arrow_schema, require_pyarrow
from truebook.capture.event_types import CapturedEvent
from truebook.capture.manifest import (
    COLUMNAR_FORMAT,
    EVENTS,
    MANIFEST,
    MARKETS,
    PART,
    CaptureError,
    FileEntry,
    Manifest,
    file_hash,
)
from truebook.capture.rows import UNKNOWN_US, Row, rows_of
from truebook.capture.writer import check_new
from truebook.clock import MICROS
from truebook.files import sync_folder, write_atomically
from truebook.kalshi.wire.times import to_rfc3339
from truebook.messages.envelope import Source
from truebook.messages.market_metadata import MarketMetadata

if TYPE_CHECKING:
    import pyarrow.parquet as pq

DAY_US: Final = 86_400 * MICROS
COMPRESSION_LEVEL: Final = 6
READABLE_BY_ALL: Final = 0o644
FIRST_US: Final = 946_684_800 * MICROS
END_US: Final = 4_102_444_800 * MICROS
"""Times of an event are from the year 2000 to before 2100; others are in another unit than microseconds."""


class ColumnarWriter:
    """One recording. Use it as a context manager and call ``finish``: without it, nothing is left on disk."""

    def __init__(
        self,
        folder: Path,
        *,
        source: Source,
        imported_from: str,
        hosts: Iterable[str] = (),
        versions: Mapping[str, str] | None = None,
        row_group_rows: int = ROW_GROUP_ROWS,
    ) -> None:
        require_pyarrow()
        check_new(folder)
        folder = folder.resolve()
        _check_replaceable(folder)
        self._folder = folder
        self._part = folder.with_name(folder.name + PART)
        if self._part.exists():
            raise CaptureError(f"{self._part}: left by an interrupted import; delete it, and import again")
        self._manifest = Manifest(
            source=source, hosts=tuple(hosts), files={}, format=COLUMNAR_FORMAT, versions=dict(versions or {}),
            imported_from=imported_from,
        )  # fmt: skip
        self._row_group_rows = row_group_rows
        self._files: dict[str, FileEntry] = {}
        self._rows: list[Row] = []
        self._written = 0
        self._day: _DayFile | None = None
        self._day_ends_us = 0
        self._last_us = 0
        self._is_finished = False
        self._part.mkdir(parents=True)

    def add(self, captured: CapturedEvent) -> None:
        """Append one event. Raises ``ValueError`` when time steps back, which is a bug of the caller.

        Raises ``CaptureError`` with the row for a time that is not one of the exchange; or, when the row group is
        written, for a number that its column can't hold.
        """
        at_us = captured.at_us
        rows = rows_of(captured)
        if not FIRST_US <= at_us < END_US:
            raise self._wrong_time(rows[0], "received at", at_us)
        exchange_us = rows[0].exchange_us
        if exchange_us != UNKNOWN_US and not FIRST_US <= exchange_us < END_US:
            raise self._wrong_time(rows[0], "the exchange's time", exchange_us)
        if at_us < self._last_us:
            raise ValueError(f"event at {at_us} us added after one at {self._last_us} us")
        self._last_us = at_us
        if at_us >= self._day_ends_us:
            self._finish_day()
            self._day_ends_us = (at_us // DAY_US + 1) * DAY_US
        self._rows += rows
        if len(self._rows) >= self._row_group_rows:
            self._flush()

    def finish(self, markets: Iterable[MarketMetadata]) -> Manifest:
        """Write the last day, the markets and the manifest, and give the folder its name."""
        self._finish_day()
        ordered = sorted(markets, key=lambda one: one.ticker)
        path = self._part / MARKETS
        write_atomically(
            path, b"".join(msgspec.json.encode(one) + b"\n" for one in ordered), mode=READABLE_BY_ALL
        )  # fmt: skip
        self._files[MARKETS] = FileEntry(sha256=file_hash(path), lines=len(ordered))
        manifest = msgspec.structs.replace(self._manifest, files=self._files)
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
        write_atomically(self._part / MANIFEST, text, mode=READABLE_BY_ALL)
        self._part.replace(self._folder)
        sync_folder(self._folder.absolute().parent)
        self._is_finished = True
        return manifest

    def __enter__(self) -> ColumnarWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_finished:
            try:
                if self._day is not None:
                    self._day.discard()
            finally:
                shutil.rmtree(self._part, ignore_errors=True)

    def _flush(self) -> None:
        if self._rows:
            if self._day is None:
                day = to_rfc3339(self._rows[0].at_us)[:10]
                self._day = _DayFile(self._part / EVENTS.format(day=day))
            self._day.write(self._rows, self._written)
            self._written += len(self._rows)
            self._rows = []

    def _finish_day(self) -> None:
        self._flush()
        if self._day is not None:
            name = self._day.path.name
            if name in self._files:
                raise CaptureError(f"{self._day.path}: written already; a recording has one file of each day")
            self._files[name] = self._day.finish()
            self._day = None

    def _wrong_time(self, row: Row, what: str, found_us: int) -> CaptureError:
        place = _place(self._written + len(self._rows), row)
        return CaptureError(f"{place}: {what} {found_us} us: outside of the years 2000 to 2099; correct its unit")


class _DayFile:
    """The Parquet file of one day, under its temporary name until it is complete."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path
        self._part = path.with_name(path.name + PART)
        self._schema = arrow_schema()
        self._lines = 0
        names = [name for name in self._schema.names if name not in DELTA_ENCODED]
        self._writer: pq.ParquetWriter = pq.ParquetWriter(
            self._part, self._schema, compression="zstd", compression_level=COMPRESSION_LEVEL,
            use_dictionary=names, column_encoding=DELTA_ENCODED,
        )  # fmt: skip

    def write(self, rows: list[Row], before: int) -> None:
        """Write one row group; ``before`` is the number of rows before it, in all files."""
        import pyarrow as pa

        columns = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))
        try:
            arrays = [_array(field, columns[field.name]) for field in self._schema]
        except (pa.ArrowInvalid, OverflowError) as error:
            raise _beyond_column(self._schema, rows, before) or error from error
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema), row_group_size=len(rows))
        self._lines += len(rows)

    def discard(self) -> None:
        """Close an incomplete file; on a full disk its last bytes can't be written either."""
        import pyarrow as pa

        with suppress(OSError, pa.ArrowException):
            self._writer.close()

    def finish(self) -> FileEntry:
        """Complete the file under its name."""
        self._writer.close()
        self._part.replace(self.path)
        return FileEntry(sha256=file_hash(self.path), lines=self._lines)


def _check_replaceable(folder: Path) -> None:
    """Check that a folder can be replaced by another, if it exists; raises ``CaptureError``."""
    is_working_folder = folder == Path.cwd()
    if is_working_folder or os.path.ismount(folder):
        kind = "the working" if is_working_folder else "a mounted"
        raise CaptureError(f"{folder}: {kind} folder can't be replaced; give a new folder below it")


def _place(before: int, row: Row) -> str:
    return f"row {before + 1} ({row.market or 'no market'})"


def _beyond_column(schema: Any, rows: list[Row], before: int) -> CaptureError | None:
    """Return the error of the first number that its column can't hold."""
    bits = {name: schema.field(name).type.bit_width for name in NUMBERS}
    for number, row in enumerate(rows, before):
        for name, width in bits.items():
            value = getattr(row, name)
            if not -(2 ** (width - 1)) <= value < 2 ** (width - 1):
                return CaptureError(f"{_place(number, row)}: {name} {value} is beyond {width} bits; correct the data")
    return None


def _array(field: Any, values: tuple[Any, ...]) -> Any:
    import pyarrow as pa

    if field.name == "market":
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, field.type)
