"""A recording as columns of integers: chunks of numpy arrays in recorded order, for an engine without frames.

The rows are those of ``capture.rows``, for each format of a recording. A chunk never divides an event: a snapshot and
all of its levels are in one chunk, so a chunk may have a few rows more than requested. Memory is bounded by the chunk.

| field | type | content |
|---|---|---|
| ``at_us`` | int64 | time of receipt, microseconds; never decreases, and orders the rows together with their position |
| ``exchange_us`` | int64 | the exchange's time of the event; 0: unknown |
| ``market`` | int32 | index into ``tickers(path)``; -1: none, or a life-cycle event of a market that was not recorded |
| ``kind`` | int8 | ``Kind`` |
| ``side`` | int8 | ``Side``: 1 bid, -1 ask, of a trade the taker's; 0: none |
| ``price_cc`` | int32 | price of the YES leg, 1/100 cent; 0 where a row has none |
| ``size_centi`` | int64 | 1/100 contract; of a delta its signed change, of a snapshot its number of levels |

How to fold a book: ``SNAPSHOT`` clears both sides and its ``LEVEL`` rows set them; ``DELTA`` adds to one level and has
no effect while the book is unknown: before the first snapshot, after a ``GAP``, and after a change that no valid book
can have. Rows of other kinds change no book.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from truebook.capture.columnar.reader import read_row_groups
from truebook.capture.columnar.row_group import Columns
from truebook.capture.events import read_events
from truebook.capture.manifest import COLUMNAR_FORMAT, CaptureError, read_manifest
from truebook.capture.market_metadata import capture_metadata
from truebook.capture.rows import Kind, Row, Side, lifecycle_of, rows_of

__all__ = ["CHUNK_ROWS", "NO_MARKET", "Columns", "Kind", "Side", "read_columns", "tickers"]

CHUNK_ROWS: Final = 131_072
NO_MARKET: Final = -1


def tickers(path: Path) -> tuple[str, ...]:
    """Return the sorted tickers of a recording, to which ``Columns.market`` refers; raises ``CaptureError``.

    They are those of its market metadata; a recording without needs a pass over its frames.
    """
    return tuple(sorted(one.ticker for one in capture_metadata(path)))


def read_columns(path: Path, chunk_rows: int = CHUNK_ROWS) -> Iterator[Columns]:
    """Iterate over a recording's rows in order, in chunks of about ``chunk_rows``; raises ``CaptureError``."""
    indices = {ticker: index for index, ticker in enumerate(tickers(path))}
    if path.is_dir() and read_manifest(path).format == COLUMNAR_FORMAT:
        return _divide(path, indices, chunk_rows)
    return _convert(path, indices, chunk_rows)


def _convert(path: Path, indices: Mapping[str, int], chunk_rows: int) -> Iterator[Columns]:
    rows: list[Row] = []
    for captured in read_events(path):
        rows += rows_of(captured)
        if len(rows) >= chunk_rows:
            yield _columns(path, rows, indices)
            rows = []
    if rows:
        yield _columns(path, rows, indices)


def _columns(path: Path, rows: list[Row], indices: Mapping[str, int]) -> Columns:
    at_us, exchange_us, markets, kinds, sides, prices, sizes, *_ = zip(*rows, strict=True)
    market = np.fromiter((indices.get(one or "", NO_MARKET) for one in markets), np.int32, len(rows))
    kind = np.array(kinds, np.int8)
    if (unlisted := _unlisted(market, kind)) is not None:
        raise _no_metadata(path, markets[unlisted])
    return Columns(
        at_us=np.array(at_us, np.int64), exchange_us=np.array(exchange_us, np.int64), market=market, kind=kind,
        side=np.array(sides, np.int8), price_cc=np.array(prices, np.int32), size_centi=np.array(sizes, np.int64),
        lifecycle={number: lifecycle_of(row) for number, row in enumerate(rows) if row.kind == Kind.LIFECYCLE},
    )  # fmt: skip


def _divide(path: Path, indices: Mapping[str, int], chunk_rows: int) -> Iterator[Columns]:
    """Divide the row groups of format 2 where events begin, with the recording's own market indices."""
    for group in read_row_groups(path, read_manifest(path)):
        of_group = np.array([*(indices.get(name, NO_MARKET) for name in group.names), NO_MARKET], np.int32)
        rows = replace(group.rows, market=of_group[group.rows.market])
        if (unlisted := _unlisted(rows.market, rows.kind)) is not None:
            raise _no_metadata(path, group.names[group.rows.market[unlisted]])
        start = 0
        while start < len(rows):
            end = min(start + chunk_rows, len(rows))
            while end < len(rows) and rows.kind[end] == Kind.LEVEL:
                end += 1
            yield rows.part(start, end)
            start = end


def _unlisted(market: NDArray[np.int32], kind: NDArray[np.int8]) -> int | None:
    """Return the first row of a book or trade whose market has no metadata."""
    unlisted = (market == NO_MARKET) & (kind >= Kind.SNAPSHOT) & (kind <= Kind.BLOCK_TRADE)
    return int(unlisted.argmax()) if unlisted.any() else None


def _no_metadata(path: Path, name: str | None) -> CaptureError:
    return CaptureError(f"{path}: {name} has recorded events, but no metadata in markets.jsonl; record again")
