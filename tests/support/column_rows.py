"""Columns of recorded events, written as short tuples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from truebook.capture.columns import Columns, Kind, Side

BID, ASK = Side.BID, Side.ASK


class R(NamedTuple):
    """One row; times in milliseconds."""

    kind: Kind
    side: Side = Side.NONE
    price_cc: int = 0
    size_centi: int = 0
    at_ms: int = 0
    exchange_ms: int = 0
    market: int = 0


def snapshot(*levels: tuple[Side, int, int], at_ms: int = 0, market: int = 0) -> list[R]:
    """Return the rows of a snapshot with the given levels (side, price_cc, size_centi)."""
    head = R(Kind.SNAPSHOT, size_centi=len(levels), at_ms=at_ms, market=market)
    return [head, *(R(Kind.LEVEL, *level, at_ms=at_ms, market=market) for level in levels)]


def columns(rows: Sequence[R]) -> Columns:
    """Return the rows as one chunk."""
    return Columns(
        at_us=np.array([row.at_ms * 1_000 for row in rows], np.int64),
        exchange_us=np.array([row.exchange_ms * 1_000 for row in rows], np.int64),
        market=np.array([row.market for row in rows], np.int32),
        kind=np.array([row.kind for row in rows], np.int8),
        side=np.array([row.side for row in rows], np.int8),
        price_cc=np.array([row.price_cc for row in rows], np.int32),
        size_centi=np.array([row.size_centi for row in rows], np.int64),
    )


def chunks(rows: Sequence[R], size: int) -> Iterator[Columns]:
    """Iterate over chunks of at least ``size`` rows that divide no snapshot, as ``read_columns`` does."""
    first = 0
    for end in range(1, len(rows) + 1):
        if end - first >= size and (end == len(rows) or rows[end].kind is not Kind.LEVEL):
            yield columns(rows[first:end])
            first = end
    if first < len(rows):
        yield columns(rows[first:])
