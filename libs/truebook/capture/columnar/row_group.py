"""Rows of a recording as arrays: a chunk of any format, or a row group of format 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truebook.kalshi.port import LifecycleFrame


@dataclass(frozen=True, slots=True)
class Columns:
    """A chunk of rows: arrays of equal length, see ``capture.columns``.

    ``lifecycle`` has the events of the life-cycle rows, by row.
    """

    at_us: NDArray[np.int64]
    exchange_us: NDArray[np.int64]
    market: NDArray[np.int32]
    kind: NDArray[np.int8]
    side: NDArray[np.int8]
    price_cc: NDArray[np.int32]
    size_centi: NDArray[np.int64]
    lifecycle: Mapping[int, LifecycleFrame] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.at_us)

    def part(self, start: int, end: int) -> Columns:
        """Return the rows from ``start`` on, before ``end``."""
        return Columns(
            at_us=self.at_us[start:end], exchange_us=self.exchange_us[start:end], market=self.market[start:end],
            kind=self.kind[start:end], side=self.side[start:end], price_cc=self.price_cc[start:end],
            size_centi=self.size_centi[start:end],
            lifecycle={number - start: event for number, event in self.lifecycle.items() if start <= number < end},
        )  # fmt: skip


class RowGroup(NamedTuple):
    """The rows of one row group; their ``market`` indexes ``names``, and its length means none."""

    rows: Columns
    names: tuple[str, ...]
