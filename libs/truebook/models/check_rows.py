"""Check rows: inputs with the trainer's own outputs, kept in a model's metadata and compared when it is loaded.

A runtime or converter that returns other numbers than the trainer is found before the first trade. Also random
rows within a layout's ranges, which the export writes and the load check runs.
"""

from __future__ import annotations

import random
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from truebook.features.layout import Layout

Batch = npt.NDArray[np.float32]
RELATIVE_TOLERANCE: Final = 1e-4
ABSOLUTE_TOLERANCE: Final = 1e-4
"""A row may differ by ``ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE × |output|``; float32 arithmetic needs less."""
MAX_ROWS: Final = 256
_DECIMALS: Final = 4
_MAX_MAGNITUDE: Final = 1_000.0


class CheckRows(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``inputs`` [n, features] as the trainer was given them, ``outputs`` [n, outputs] as it returned them."""

    inputs: tuple[tuple[float, ...], ...]
    outputs: tuple[tuple[float, ...], ...]

    def problems(self, features: int, outputs: int) -> list[str]:
        """Return what is wrong with their shape."""
        if not 0 < len(self.inputs) <= MAX_ROWS or len(self.inputs) != len(self.outputs):
            found = f"{len(self.inputs)} inputs and {len(self.outputs)} outputs"
            return [f"check rows: expected 1..{MAX_ROWS} inputs and as many outputs, found {found}"]
        if {len(row) for row in self.inputs} != {features} or {len(row) for row in self.outputs} != {outputs}:
            return [f"check rows: each input must have {features} numbers, each output {outputs}"]
        return []

    def batch(self) -> Batch:
        with np.errstate(over="ignore"):  # then infinite, which the model run reports
            return np.array(self.inputs, np.float32)

    def differing(self, found: Batch) -> list[int]:
        """Return the rows whose output is not the trainer's."""
        expected = np.array(self.outputs, np.float64)
        return [int(row) for row in np.flatnonzero(~is_close(found, expected).all(axis=1))]


def is_close(found: npt.NDArray[np.floating], expected: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Compare element by element, within the tolerance of float32 arithmetic in another order."""
    close: npt.NDArray[np.bool_] = np.isclose(found, expected, rtol=RELATIVE_TOLERANCE, atol=ABSOLUTE_TOLERANCE)
    return close


def random_rows(layout: Layout, count: int, seed: int) -> Batch:
    """Return random rows, each feature within its range; wide or unbounded ranges are limited to ±1,000."""
    draw = random.Random(seed)
    ranges = [(max(each.low, -_MAX_MAGNITUDE), min(each.high, _MAX_MAGNITUDE)) for each in layout.features]
    rows = [[_random_value(draw, low, high) for low, high in ranges] for _ in range(count)]
    return np.array(rows, np.float32)


def _random_value(draw: random.Random, low: float, high: float) -> float:
    return round(draw.uniform(low, high), _DECIMALS) if low < high else low
