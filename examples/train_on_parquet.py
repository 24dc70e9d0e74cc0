"""Fit scikit-learn and LightGBM on a Parquet file of features f000, f001, … and label, by time, and write both models.

`train_on_parquet.py [DATA.parquet]`: without a file, seeded data are written and read.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from lightgbm import LGBMClassifier
from sklearn.ensemble import RandomForestClassifier

from truebook.decision.strategy import Output, PriceRule, Strategy
from truebook.features.layout import layout
from truebook.models.export import ExportTarget, from_lightgbm, from_sklearn

M1 = layout("m1")
COLUMNS = [f"f{place:03}" for place in range(len(M1))]
TERMS = Strategy(output=Output.YES_PROBABILITY, price_rule=PriceRule.JOIN, sizes_centi=(500,), min_edge_cc=100)
TRAINING_PART = 0.7


def write_made_data(path: Path, count: int = 2_000) -> None:
    draw = np.random.default_rng(1)
    rows = draw.uniform([each.low for each in M1.features], [each.high for each in M1.features], (count, len(M1)))
    chance = rows[:, M1.names.index("mid")] + 0.1 * rows[:, M1.names.index("imbalance_1")]
    columns = dict(zip(COLUMNS, rows.T.astype(np.float32), strict=True)) | {"label": draw.random(count) < chance}
    pq.write_table(pa.table(columns), path, compression="zstd")


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    table = pq.read_table(path, columns=[*COLUMNS, "label"])
    rows = np.column_stack([table.column(name).to_numpy() for name in COLUMNS])
    return rows, table.column("label").to_numpy().astype(int)


def main(data: Path, folder: Path) -> None:
    rows, labels = read(data)
    split = int(len(rows) * TRAINING_PART)  # rows are in the order of time: never shuffled
    forest = RandomForestClassifier(20, max_depth=6, random_state=0).fit(rows[:split], labels[:split])
    boosted = LGBMClassifier(n_estimators=20, num_leaves=7, n_jobs=1, verbosity=-1).fit(rows[:split], labels[:split])
    for name, fitted, export in (("forest", forest, from_sklearn), ("boosted", boosted, from_lightgbm)):
        target = ExportTarget(path=folder / f"{name}.onnx", layout=M1, strategy=TERMS, samples=rows[split:])
        exported = export(fitted, target)
        chances = exported.model.run(rows[split:].astype(np.float32))[:, 0]
        brier = np.mean((chances - labels[split:]) ** 2)
        print(f"{name}: Brier score {brier:.3f} on {len(chances)} later rows, {exported.compared_rows} rows compared")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]), Path.cwd())
    else:
        with tempfile.TemporaryDirectory() as scratch:
            write_made_data(Path(scratch) / "data.parquet")
            main(Path(scratch) / "data.parquet", Path(scratch))
