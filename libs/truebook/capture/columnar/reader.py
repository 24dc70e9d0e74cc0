"""Reads capture format 2: as events, or as arrays without an object per event. One row group is in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from truebook.capture.columnar.row_group import Columns, RowGroup
from truebook.capture.columnar.schema import COLUMNS, NUMBERS, require_pyarrow
from truebook.capture.delta_block import MAX_ROWS, MIN_ROWS, DeltaBlock
from truebook.capture.event_types import CapturedEvent
from truebook.capture.manifest import EVENTS_PATTERN, CaptureError, Manifest, checked_file
from truebook.capture.rows import NO_SID, UNKNOWN_US, Kind, Row, events_of, lifecycle_of
from truebook.kalshi.port import LifecycleFrame
from truebook.money import ONE_DOLLAR_CC

if TYPE_CHECKING:
    import pyarrow as pa

_EVENTS_NAME: Final = re.compile(r"events-\d{4}-\d{2}-\d{2}\.parquet")
_ARRAYS: Final = ("at_us", "exchange_us", "kind", "side", "price_cc", "size_centi")
_OF_LIFECYCLE: Final = ("market", "detail")


def read_columnar_events(folder: Path, manifest: Manifest) -> Iterator[CapturedEvent]:
    """Iterate over the events of a recording of format 2; raises ``CaptureError``."""
    for path, table in _row_groups(folder, manifest, COLUMNS):
        yield from _events(path, _rows(table, np.arange(table.num_rows)))


def read_columnar_blocks(folder: Path, manifest: Manifest) -> Iterator[CapturedEvent | DeltaBlock]:
    """Iterate over the same events, with consecutive changes of one market as a block; raises ``CaptureError``."""
    for path, table in _row_groups(folder, manifest, COLUMNS):
        blocks, others = _divide(table)
        rows = _rows(table, others)
        taken = 0
        for start, block in blocks:
            before = int(np.searchsorted(others, start))
            yield from _events(path, rows[taken:before])
            yield block
            taken = before
        yield from _events(path, rows[taken:])


def _events(path: Path, rows: list[Row]) -> Iterator[CapturedEvent]:
    try:
        yield from events_of(rows)
    except (msgspec.DecodeError, KeyError, ValueError, StopIteration, RuntimeError) as error:
        raise _wrong_row(path, error) from error


def _rows(table: pa.Table, chosen: NDArray[np.integer]) -> list[Row]:
    """Return some rows; a column becomes a list by numpy, which is faster than ``to_pylist``."""
    columns: list[Sequence[Any]] = []
    for name in Row._fields:
        column = table.column(name).take(chosen) if len(chosen) < table.num_rows else table.column(name)
        columns.append(column.to_numpy().tolist() if name in NUMBERS else column.to_pylist())
    return list(map(Row._make, zip(*columns, strict=True)))


def _divide(table: pa.Table) -> tuple[list[tuple[int, DeltaBlock]], NDArray[np.integer]]:
    """Return the blocks of a row group with their first rows, and all other rows."""
    columns = {name: table.column(name).to_numpy() for name in _ARRAYS}
    markets = table.column("market").combine_chunks()
    names, market = markets.dictionary.to_pylist(), markets.indices.fill_null(-1).to_numpy()
    is_delta = columns["kind"] == Kind.DELTA
    begins = np.flatnonzero(np.r_[True, (market[1:] != market[:-1]) | (is_delta[1:] != is_delta[:-1])])
    level_cc = columns["side"] * columns["price_cc"]
    grew = columns["size_centi"] > 0
    lists = {
        "at_us": columns["at_us"], "exchange_us": columns["exchange_us"], "level_cc": level_cc,
        "delta_centi": columns["size_centi"],
        "grown_bid_cc": np.where(grew & (level_cc > 0), level_cc, 0),
        "grown_ask_cc": np.where(grew & (level_cc < 0), level_cc, -ONE_DOLLAR_CC),
    }  # fmt: skip
    blocks, is_other = [], np.ones(len(market), np.bool_)
    for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(market)], strict=True):
        if is_delta[begin] and market[begin] >= 0 and end - begin >= MIN_ROWS:
            is_other[begin:end] = False
            for start in range(begin, end, MAX_ROWS):
                part = {name: values[start : min(end, start + MAX_ROWS)].tolist() for name, values in lists.items()}
                blocks.append((start, DeltaBlock(ticker=names[market[begin]], **part)))
    return blocks, np.flatnonzero(is_other)


def read_row_groups(folder: Path, manifest: Manifest) -> Iterator[RowGroup]:
    """Iterate over the row groups of a recording of format 2; raises ``CaptureError``."""
    for path, table in _row_groups(folder, manifest, (*_ARRAYS, *_OF_LIFECYCLE)):
        markets = table.column("market").combine_chunks()
        names = tuple(markets.dictionary.to_pylist())
        arrays = {name: table.column(name).to_numpy() for name in _ARRAYS}
        rows = Columns(
            market=markets.indices.fill_null(len(names)).to_numpy(), lifecycle=_lifecycle(path, table, arrays), **arrays
        )
        yield RowGroup(rows, names)


def _row_groups(folder: Path, manifest: Manifest, columns: Sequence[str]) -> Iterator[tuple[Path, pa.Table]]:
    """Read the row groups of all days, with the checksum and the number of rows of each file checked."""
    require_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = sorted(name for name in manifest.files if _EVENTS_NAME.fullmatch(name))
    if not names:
        raise CaptureError(f"{folder}: the manifest lists no events ({EVENTS_PATTERN}); nothing was recorded")
    for name in names:
        entry = manifest.files[name]
        path = checked_file(folder, name, entry)
        try:
            with pq.ParquetFile(path, read_dictionary=["market"]) as file:
                if file.metadata.num_rows != entry.lines:
                    raise CaptureError(f"{path}: {file.metadata.num_rows} rows, not {entry.lines}; restore the file")
                for number in range(file.num_row_groups):
                    yield path, file.read_row_group(number, columns=list(columns))
        except (pa.ArrowException, KeyError, OSError) as error:
            raise CaptureError(f"{path}: cannot be read as Parquet: {error}; restore the file") from error


def _lifecycle(path: Path, table: pa.Table, arrays: Mapping[str, NDArray[Any]]) -> dict[int, LifecycleFrame]:
    found: dict[int, LifecycleFrame] = {}
    for number in np.flatnonzero(arrays["kind"] == Kind.LIFECYCLE).tolist():
        market, detail = (table.column(name)[number].as_py() for name in _OF_LIFECYCLE)
        row = Row(int(arrays["at_us"][number]), UNKNOWN_US, market, int(Kind.LIFECYCLE), 0, 0, 0, 0, NO_SID, detail)
        try:
            found[number] = lifecycle_of(row)
        except msgspec.DecodeError as error:
            raise _wrong_row(path, error) from error
    return found


def _wrong_row(path: Path, error: Exception) -> CaptureError:
    return CaptureError(f"{path}: a row is not of its kind: {error}; import the data again")
