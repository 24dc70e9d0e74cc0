"""The rows of a table, Parquet or CSV (plain or gzip), as dictionaries with their numbers."""

from __future__ import annotations

import csv
import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from truebook.capture.columnar.schema import require_pyarrow
from truebook.capture.importers.lines import numbered_lines, too_many_open
from truebook.capture.importers.source import BytesRead
from truebook.capture.manifest import CaptureError
from truebook.money import WireFormatError

TABLE_SUFFIXES: Final = (".parquet", ".csv", ".csv.gz")
BATCH_ROWS: Final = 1_024
"""Rows of an open Parquet file that are in memory; every market may have one open."""
Row: TypeAlias = Mapping[str, Any]
T = TypeVar("T")


def is_table(path: Path) -> bool:
    """Return whether a file is a table by its name."""
    return path.name.endswith(TABLE_SUFFIXES)


def column_names(path: Path) -> tuple[str, ...]:
    """Return the names of a table's columns; raises ``CaptureError``."""
    if path.suffix == ".parquet":
        return _parquet_columns(path)
    first = next(numbered_lines(path, BytesRead()), None)
    if first is None:
        raise CaptureError(f"{path}: empty; remove or restore it")
    try:
        return tuple(next(csv.reader([first[1].decode("utf-8-sig", "replace")])))
    except csv.Error as error:
        raise CaptureError(f"{path}, line {first[0]}: not a row of names: {error}; restore the line") from error


def read_rows(path: Path, counter: BytesRead) -> Iterator[tuple[str, Row]]:
    """Iterate over (place for errors, row) of a table. Times of Parquet columns are microseconds."""
    if path.suffix == ".parquet":
        return _parquet_rows(path, counter)
    return _csv_rows(path, counter)


def convert(path: Path, place: str, row: Row, function: Callable[[Row], T]) -> T:
    """Apply a function to a row; a missing column or a wrong value is a ``CaptureError`` with file and row."""
    try:
        return function(row)
    except WireFormatError as error:
        raise CaptureError(f"{path}, {place}: {error}; correct or remove the row") from error


def value_of(row: Row, *names: str) -> Any:
    """Return the first of several columns that the table has; raises ``WireFormatError`` if it has none of them."""
    for name in names:
        if name in row:
            return row[name]
    raise WireFormatError(f"no column {' or '.join(names)}; there are {', '.join(row)}")


def _csv_rows(path: Path, counter: BytesRead) -> Iterator[tuple[str, Row]]:
    number, ends = 0, True

    def lines() -> Iterator[str]:
        nonlocal number, ends
        for number, line in numbered_lines(path, counter):
            ends = line.endswith(b"\n")
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise CaptureError(f"{path}, line {number}: not UTF-8; remove or restore the line") from error

    names: Sequence[str] = ()
    for values in _divided(path, lines(), lambda: number):
        if not names:
            names = values
        elif len(values) != len(names):
            cut = "" if ends else "; the file is cut off"
            raise CaptureError(
                f"{path}, line {number}: {len(values)} values for {len(names)} columns{cut}; restore the line"
            )
        else:
            yield f"line {number}", dict(zip(names, values, strict=True))


def _divided(path: Path, lines: Iterator[str], number: Callable[[], int]) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines)
    except csv.Error as error:
        raise CaptureError(f"{path}, line {number()}: {error}; look for a stray quote at or before the line") from error


def _parquet_columns(path: Path) -> tuple[str, ...]:
    require_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _parquet_rows(path: Path, counter: BytesRead) -> Iterator[tuple[str, Row]]:
    require_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    number, size = 0, path.stat().st_size
    try:
        with pq.ParquetFile(path) as file:
            groups = max(1, file.num_row_groups)
            for group in range(file.num_row_groups):
                for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=[group]):
                    columns = [_plain(column) for column in batch.columns]
                    for values in zip(*columns, strict=True):
                        number += 1
                        yield f"row {number}", dict(zip(batch.schema.names, values, strict=True))
                counter.count += size // groups
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _plain(column: Any) -> list[Any]:
    """Return a column's values; time stamps of any unit become microseconds since 1970."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        zone = column.type.tz
        return list(column.cast(pa.timestamp("us", tz=zone), safe=False).cast(pa.int64()).to_pylist())
    return list(column.to_pylist())


def _damaged(path: Path, error: Exception) -> CaptureError:
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        return too_many_open(path)
    return CaptureError(f"{path}: cannot be read as Parquet: {error}; restore the file")
