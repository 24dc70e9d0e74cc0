"""Fit a scikit-learn classifier on seeded data and write it as a model file that is compared with it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from truebook.decision.strategy import Output, PriceRule, Strategy
from truebook.features.layout import layout
from truebook.models.export import ExportTarget, from_sklearn

M1 = layout("m1")


def data(count: int = 2_000) -> tuple[np.ndarray, np.ndarray]:
    """Rows of features, and whether the market settled at YES: more often than its price states if bids are larger."""
    draw = np.random.default_rng(1)
    rows = draw.uniform([each.low for each in M1.features], [each.high for each in M1.features], (count, len(M1)))
    chance = rows[:, M1.names.index("mid")] + 0.1 * rows[:, M1.names.index("imbalance_1")]
    return rows, (draw.random(count) < chance).astype(int)


def main(folder: Path) -> None:
    rows, outcomes = data()
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, outcomes)

    strategy = Strategy(output=Output.YES_PROBABILITY, price_rule=PriceRule.JOIN, sizes_centi=(500,), min_edge_cc=100)
    target = ExportTarget(path=folder / "outcome.onnx", layout=M1, strategy=strategy, samples=rows)
    exported = from_sklearn(fitted, target)

    print(f"compared {exported.compared_rows} rows; largest difference {exported.max_difference:.7f}")
    price, ours = rows[0, 0], exported.model.run(rows[:1].astype(np.float32))[0, 0]
    print(f"mid {price:.2f}, fair price {ours:.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
