"""Train a small PyTorch network on seeded data and write it as a model file, its weights inside."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from truebook.decision.strategy import Output, PriceRule, Strategy
from truebook.features.layout import layout
from truebook.models.export import ExportTarget, from_torch

M1 = layout("m1")


def data(count: int = 2_000) -> tuple[np.ndarray, np.ndarray]:
    """Rows of features, and whether the market settled at YES: more often than its price states if bids are larger."""
    draw = np.random.default_rng(1)
    rows = draw.uniform([each.low for each in M1.features], [each.high for each in M1.features], (count, len(M1)))
    chance = rows[:, M1.names.index("mid")] + 0.1 * rows[:, M1.names.index("imbalance_1")]
    return rows.astype(np.float32), (draw.random(count) < chance).astype(np.float32)


def trained(rows: np.ndarray, outcomes: np.ndarray) -> torch.nn.Module:
    torch.manual_seed(0)
    nn = torch.nn
    network = nn.Sequential(nn.BatchNorm1d(len(M1)), nn.Linear(len(M1), 16), nn.Tanh(), nn.Linear(16, 1), nn.Sigmoid())
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy(network(torch.tensor(rows))[:, 0], torch.tensor(outcomes)).backward()
        optimizer.step()
    return network


def main(folder: Path) -> None:
    rows, outcomes = data()
    network = trained(rows, outcomes)

    strategy = Strategy(output=Output.YES_PROBABILITY, price_rule=PriceRule.JOIN, sizes_centi=(500,), min_edge_cc=100)
    target = ExportTarget(path=folder / "network.onnx", layout=M1, strategy=strategy, samples=rows)
    exported = from_torch(network, target)

    print(f"compared {exported.compared_rows} rows; largest difference {exported.max_difference:.7f}")
    print(f"files: {', '.join(path.name for path in folder.iterdir())}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
