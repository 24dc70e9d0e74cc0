"""Fit a LightGBM classifier of the next move on seeded data and write it as a model file of actions."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from lightgbm import LGBMClassifier

from truebook.decision.strategy import Intent, Output, Strategy
from truebook.features.layout import layout
from truebook.models.export import ExportTarget, from_lightgbm

M1 = layout("m1")


def data(count: int = 2_000) -> tuple[np.ndarray, np.ndarray]:
    """Rows of features, and where the price went next: towards the thinner side, with noise."""
    draw = np.random.default_rng(1)
    rows = draw.uniform([each.low for each in M1.features], [each.high for each in M1.features], (count, len(M1)))
    pressure = rows[:, M1.names.index("imbalance_1")] + draw.normal(0, 0.3, count)
    return rows, np.array(["down", "same", "up"])[np.digitize(pressure, [-0.5, 0.5])]


def main(folder: Path) -> None:
    rows, moves = data()
    fitted = LGBMClassifier(n_estimators=10, n_jobs=1, random_state=0, verbosity=-1).fit(rows, moves)

    strategy = Strategy(output=Output.ACTION_LOGITS, sizes_centi=(500,), max_position_centi=5_000)
    target = ExportTarget(path=folder / "moves.onnx", layout=M1, strategy=strategy, samples=rows)
    exported = from_lightgbm(fitted, target, actions={"down": Intent.BUY_NO, "same": Intent.HOLD, "up": Intent.BUY_YES})

    print(f"compared {exported.compared_rows} rows; largest difference {exported.max_difference:.7f}")
    print(f"rows with another action, by rounding: {exported.other_actions}")
    scores = exported.model.run(rows[:1].astype(np.float32))[0]
    print(f"{moves[0]}: action {scores.argmax()} of {len(scores)}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
