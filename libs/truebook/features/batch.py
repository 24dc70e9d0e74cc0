"""The vectors of several markets at once: equal to ``Layout.compute`` of each, to the bit, at a fraction of its cost.

Values are computed in columns. A value that may be rounded to another one in the single form, since the last bits of
logarithms and sums can differ, is not used: that market is computed by the single form. So are markets for which a
formula gives no finite number; their errors are those of the single form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any, Final

import numpy as np

from truebook.features.c52_columns import C52_COLUMNS
from truebook.features.columns import UNKNOWN, Column, Columns, Formula, Truths
from truebook.features.feature import Feature
from truebook.features.inputs import FeatureInputs
from truebook.features.m1_columns import M1_COLUMNS

FORMULAS: Final[dict[Callable[..., float], Formula]] = {
    each.compute: formula for each, formula in (*M1_COLUMNS.items(), *C52_COLUMNS.items())
}
_SCALE: Final = 1e6
_SURE: Final = 0.5 - 1e-6
"""No last bits of a value within ±1,000 move it over the middle between two roundings from so far."""
_NUMBERS: Final = (float, int, bool)


def compute_columns(
    features: Sequence[Feature], places: Sequence[int], inputs: Sequence[FeatureInputs]
) -> tuple[list[tuple[float, ...]], Truths]:
    """Return the markets' vectors, ``features`` at the ``places``, and which of the markets must be computed alone.

    All ranges are within ±1,000.
    """
    columns = Columns(inputs)
    with np.errstate(all="ignore"):
        values: Column = np.array([_column(each, columns) for each in features])
        alone = columns.alone | ~np.isfinite(values).all(axis=0)
        lows = np.array([[each.low] for each in features])
        highs = np.array([[each.high] for each in features])
        scaled = np.where(values < lows, lows, np.where(values > highs, highs, values)) * _SCALE  # keeps −0
        whole = np.rint(scaled)
        alone |= (np.abs(scaled - whole) > _SURE).any(axis=0)
        rows = np.ascontiguousarray((whole / _SCALE)[places].T)
    return list(Struct(f"{len(places)}d").iter_unpack(rows.data.cast("B"))), alone


def _column(feature: Feature, columns: Columns) -> Any:
    formula = FORMULAS.get(feature.compute)
    if formula is not None:
        return formula(columns)
    return [_value(feature, each) for each in columns.inputs]


def _value(feature: Feature, inputs: FeatureInputs) -> float:
    """Compute a user's feature; what it raises is raised again by the single form."""
    try:
        value = feature.compute(inputs)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return UNKNOWN
    return value if type(value) in _NUMBERS else UNKNOWN
