"""The inputs of several markets at once, as numpy columns: one number per market.

The formulas on columns are those of the single form, with its operations in their order: sums, products and quotients
have the same bits. What several formulas need is computed once per batch, on first use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from typing import Final

import numpy as np
import numpy.typing as npt

from truebook.features.feature import Feature
from truebook.features.history import LENGTH
from truebook.features.inputs import FeatureInputs, Shared
from truebook.messages.envelope import BookSide

Column = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]
Formula = Callable[["Columns"], Column]
UNKNOWN: Final = float("nan")
"""In place of a value that only the single form can compute."""
_LARGEST: Final = 2.0**53
"""Whole numbers below it are exact in a column. Some markets close at the last instant below it, which is never."""


class Columns:
    """The inputs of several markets, from which formulas compute one value per market."""

    def __init__(self, inputs: Sequence[FeatureInputs]) -> None:
        self.inputs = inputs
        self.zeros: Column = np.zeros(len(inputs))

    @Shared
    def alone(self) -> Truths:
        """The markets that only the single form can compute: a side is or was empty, or a number is too large."""
        is_large = (np.abs(np.array((*self._tops, *self._numbers))) >= _LARGEST).any(axis=0)
        is_large |= (np.abs(self._states) >= _LARGEST).any(axis=(0, 1))
        was_empty = (self.is_change & ((self._states[1:3, 1:] == 0).any(axis=0))).any(axis=0)
        found: Truths = (self.bid_centi == 0) | is_large | was_empty
        return found

    # The book.

    @Shared
    def _tops(self) -> tuple[Column, ...]:
        return columns_of([each.book.top() for each in self.inputs], 8)

    @property
    def bid_cc(self) -> Column:
        return self._tops[0]

    @property
    def bid_centi(self) -> Column:
        return self._tops[1]

    @property
    def ask_cc(self) -> Column:
        return self._tops[2]

    @property
    def ask_centi(self) -> Column:
        return self._tops[3]

    @property
    def best_centi(self) -> tuple[Column, Column]:
        """Sizes of the best three levels of (bids, asks)."""
        return self._tops[4], self._tops[5]

    @property
    def totals_centi(self) -> tuple[Column, Column]:
        return self._tops[6], self._tops[7]

    @Shared
    def mid_cc(self) -> Column:
        return (self.bid_cc + self.ask_cc) / 2

    @Shared
    def spread_cc(self) -> Column:
        return self.ask_cc - self.bid_cc

    # History.

    @Shared
    def _states(self) -> npt.NDArray[np.int64]:
        """For each number of ``history.STATE``, ``LENGTH`` + 1 columns, oldest first."""
        packed = b"".join([each.history.packed() for each in self.inputs])
        return np.ascontiguousarray(np.frombuffer(packed, np.int64).reshape(len(self.inputs), LENGTH + 1, -1).T)

    @Shared
    def is_change(self) -> Truths:
        """``LENGTH`` columns: which of the changes there are; the others come first."""
        kept: Truths = self._states[0, 1:] >= 0
        return kept

    @Shared
    def changes(self) -> Column:
        """The number of changes in the history."""
        return self.is_change.sum(axis=0, dtype=np.float64)

    @Shared
    def changed_us(self) -> Column:
        """``LENGTH`` columns: the times of the changes, oldest first; where there are fewer, the oldest again."""
        return self._filled(self._states[0, 1:].astype(np.float64))

    @Shared
    def mids_cc(self) -> Column:
        """``LENGTH`` columns: the mid prices after the changes, in the same order."""
        return self._filled((self._states[1, 1:] + self._states[2, 1:]) / 2)

    @Shared
    def moves_cc(self) -> Column:
        """``LENGTH`` − 1 columns: the absolute moves from one mid price to the next."""
        return np.abs(np.diff(self.mids_cc, axis=0))

    @Shared
    def moved_centi(self) -> Column:
        """``LENGTH`` columns: the sizes that the changes moved; 0 where there are fewer."""
        moved = np.abs(np.diff(self._states[3:], axis=1)).sum(axis=0, dtype=np.float64)
        return np.where(self._states[0, :-1] >= 0, moved, 0.0)

    def _filled(self, values: Column) -> Column:
        oldest = values[LENGTH - np.maximum(self.changes, 1).astype(np.intp), np.arange(len(self.inputs))]
        return np.where(self.is_change, values, oldest)

    # Time, market and account.

    @Shared
    def _numbers(self) -> tuple[Column, ...]:
        rows = [
            (
                each.now_us, each.confirmed_us, each.market.close_us, each.position_centi, each.position_cost_micros,
                each.cash_micros, each.equity_micros,
                UNKNOWN if each.event_yes_sum_cc is None else each.event_yes_sum_cc,
            )
            for each in self.inputs
        ]  # fmt: skip
        return columns_of(rows, 8)

    @property
    def now_us(self) -> Column:
        return self._numbers[0]

    @property
    def confirmed_us(self) -> Column:
        return self._numbers[1]

    @property
    def close_us(self) -> Column:
        return self._numbers[2]

    @property
    def position_centi(self) -> Column:
        return self._numbers[3]

    @property
    def position_cost_micros(self) -> Column:
        return self._numbers[4]

    @property
    def cash_micros(self) -> Column:
        return self._numbers[5]

    @property
    def equity_micros(self) -> Column:
        return self._numbers[6]

    @property
    def event_yes_sum_cc(self) -> Column:
        """``UNKNOWN`` where the sum is not known."""
        return self._numbers[7]

    @Shared
    def working_centi(self) -> tuple[Column, Column]:
        """Sizes of our own resting (bids, asks)."""
        rows = [_resting(each) if each.working else (0, 0) for each in self.inputs]
        bids, asks = columns_of(rows, 2)
        return bids, asks

    @Shared
    def _accounts(self) -> tuple[list[FeatureInputs], list[int]]:
        """One input of each account, and the number of each market's account among them."""
        numbers: dict[tuple[int, int, int, int], int] = {}
        found: list[FeatureInputs] = []
        places = []
        for each in self.inputs:
            account = each.cash_micros, each.reserved_micros, each.equity_micros, id(each.holdings)
            if account not in numbers:
                numbers[account] = len(found)
                found.append(each)
            places.append(numbers[account])
        return found, places

    def by_account(self, feature: Feature) -> Column:
        """Return a feature that depends on the account alone, computed once for each account."""
        found, places = self._accounts
        return np.array([float(feature.compute(each)) for each in found])[places]


def columns_of(rows: Iterable[Sequence[float]], width: int) -> tuple[Column, ...]:
    """Return rows of ``width`` numbers as columns. Equal to ``np.array`` to the bit, and faster."""
    pack = Struct(f"{width}d").pack
    packed = np.frombuffer(b"".join([pack(*each) for each in rows]), np.float64)
    return tuple(np.ascontiguousarray(packed.reshape(-1, width).T))


def _resting(inputs: FeatureInputs) -> tuple[int, int]:
    sizes = [0, 0]
    for order in inputs.working:
        sizes[order.book_side is BookSide.ASK] += order.remaining_centi
    return sizes[0], sizes[1]
