"""Made training data and export targets for the tests of the model export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from truebook.decision.strategy import Output, Strategy
from truebook.features.layout import layout
from truebook.models.export import ExportTarget
from truebook.models.session import load_model

YES = Strategy(output=Output.YES_PROBABILITY, sizes_centi=(500,))
ACTIONS = Strategy(output=Output.ACTION_LOGITS, sizes_centi=(500,))


def made_rows(name: str = "m1", count: int = 400) -> npt.NDArray[np.float64]:
    """Rows of a layout's features with six decimals, as a market has them."""
    low, high = (np.array([getattr(each, end) for each in layout(name).features]) for end in ("low", "high"))
    return np.random.default_rng(3).uniform(low, high, (count, len(low))).round(6)


def labels_of(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """0 or 1: noisy, and not a linear function of the features."""
    noise = np.random.default_rng(5).normal(0, 0.2, len(rows))
    return (rows[:, 0] + rows[:, 3] * rows[:, 4] + noise > 0.5).astype(np.int64)


def target(path: Path, strategy: Strategy = YES, name: str = "m1", **changed: Any) -> ExportTarget:
    return ExportTarget(path=path / "made.onnx", layout=layout(name), strategy=strategy, **changed)


def found_by(path: Path) -> Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float32]]:
    """Load a written file from scratch, as policy does, and return its function."""
    model = load_model(path)
    return lambda rows: model.run(rows.astype(np.float32))
