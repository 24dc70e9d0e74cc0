"""Train the bundled model ``gold15m``: ``python deploy/models/train.py RECORDING [FILE.onnx]``.

RECORDING has markets one after the other, such as ``gold15m``. The model is trained on the first eight only; the later
ones are for judging it: docs/trained-model.md has the commands and the result.

The model is linear in nine features that have a direction: fair price = mid + the expected move of the mid price in ten
seconds. It is a ridge regression on the rows of ``truebook dataset``; its strength is chosen on the last two of the
eight markets. It trades by the terms of ``maker``, so that the two differ in their fair price only. Needs the extras
``convert`` and ``research``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from build import MAKER_TERMS
from sklearn.linear_model import LinearRegression, Ridge

from truebook.backtest.analysis.splits import market_spans
from truebook.backtest.dataset.labels import mid_column
from truebook.backtest.dataset.request import DatasetRequest, Label
from truebook.backtest.dataset.writing import write_dataset
from truebook.backtest.window import Window
from truebook.capture.columns import read_columns, tickers
from truebook.features.layout import layout
from truebook.kalshi.wire.times import to_rfc3339
from truebook.models.export import ExportTarget, from_sklearn
from truebook.runtime.settings import load
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings

Array = npt.NDArray[np.float64]

TRAIN_MARKETS: Final = 8
VALIDATION_MARKETS: Final = 2
"""The last of the training's markets: they choose the strength, then all of them are fitted."""
HORIZON_S: Final = 10
FEATURES: Final = (
    "mid", "micro_minus_mid", "imbalance_1", "imbalance_3", "imbalance_all", "bid_size", "ask_size", "momentum",
    "last_move",
)  # fmt: skip
STRENGTHS: Final = (10.0, 100.0, 1_000.0, 10_000.0)
DECIMALS: Final = 6
"""Weights are rounded, so that differences in the last bits between machines write the same weights."""
HALF_CC_PER_DOLLAR: Final = 20_000


class CannotTrain(SystemExit):
    """The recording can't be divided by time."""


def training_window(recording: Path) -> Window:
    """Return the first markets' window; raises ``CannotTrain`` unless every later market begins after its end."""
    spans = sorted(market_spans(tickers(recording), read_columns(recording)), key=lambda one: one.first_us)
    chosen, later = spans[:TRAIN_MARKETS], spans[TRAIN_MARKETS:]
    if not later:
        raise CannotTrain(f"{recording}: {len(spans)} markets; more than {TRAIN_MARKETS} are needed")
    to_us = max(one.last_us for one in chosen)
    if later[0].first_us <= to_us:
        raise CannotTrain(f"{recording}: {later[0].ticker} begins before the {TRAIN_MARKETS} markets for training end")
    return Window(to_us=to_us, markets=frozenset(one.ticker for one in chosen))


def read_rows(path: Path) -> tuple[Array, Array, Array]:
    """Return features of the whole layout, moves of the mid price in dollars, and the number of each row's market."""
    table = pq.read_table(path)
    move = table[mid_column(HORIZON_S)].to_numpy(zero_copy_only=False).astype(float) / HALF_CC_PER_DOLLAR
    rows = np.column_stack([table[name].to_numpy() for name in layout("m1").names]).astype(float)
    names = table["ticker"].to_pylist()
    order = {name: number for number, name in enumerate(dict.fromkeys(names))}  # in the order of time
    known = ~np.isnan(move)
    return rows[known], move[known], np.array([order[name] for name in names])[known]


def fit(rows: Array, moves: Array, markets: Array) -> tuple[LinearRegression, str]:
    """Fit the fair price on the chosen features; return it with a description."""
    m1 = layout("m1")
    given = rows[:, [m1.names.index(name) for name in FEATURES]]
    is_early = markets < markets.max() + 1 - VALIDATION_MARKETS
    scores = [_explained(given, moves, is_early, strength) for strength in STRENGTHS]
    strength = STRENGTHS[int(np.argmax(scores))]
    scale = given.std(axis=0)
    ridge = Ridge(alpha=strength).fit(given / scale, moves)
    fair = LinearRegression()
    fair.coef_ = np.round(ridge.coef_ / scale, DECIMALS)
    fair.coef_[FEATURES.index("mid")] += 1.0  # the fair price is the mid price and its expected move
    fair.intercept_ = float(np.round(ridge.intercept_, DECIMALS))
    fair.n_features_in_ = len(FEATURES)
    return fair, f"ridge {strength:g}; {max(scores):.1%} of the variance of the moves in the last {VALIDATION_MARKETS}"


def _explained(given: Array, moves: Array, is_early: npt.NDArray[np.bool_], strength: float) -> float:
    """Return the explained part of the later moves' variance around zero, if only the early ones are fitted."""
    scale = given[is_early].std(axis=0)
    ridge = Ridge(alpha=strength).fit(given[is_early] / scale, moves[is_early])
    error = moves[~is_early] - ridge.predict(given[~is_early] / scale)
    return float(1 - (error**2).sum() / (moves[~is_early] ** 2).sum())


def train(recording: Path, path: Path) -> Any:
    """Write the model; returns the export's result."""
    window = training_window(recording)
    with tempfile.TemporaryDirectory() as scratch:
        request = DatasetRequest(
            recording=recording, out=Path(scratch) / "rows.parquet", layout=layout("m1"),
            settings=engine_settings(load(EmbeddedSettings), recording), window=window,
            labels=frozenset({Label.MID}), horizons_s=(HORIZON_S,),
        )  # fmt: skip
        summary = write_dataset(request)
        rows, moves, markets = read_rows(request.out)
    fair, quality = fit(rows, moves, markets)
    trained = (
        f"{len(moves)} rows of {len(window.markets)} markets, {to_rfc3339(summary.from_us)} to "
        f"{to_rfc3339(window.to_us or 0)}; data {summary.data_sha256}; commit {_commit()}; {quality}"
    )
    target = ExportTarget(
        path=path, layout=layout("m1"), strategy=MAKER_TERMS, columns=FEATURES, samples=_some(rows), name="gold15m",
        trained=trained,
    )  # fmt: skip
    return from_sklearn(fair, target)


def _some(rows: Array) -> Array:
    return rows[:: max(1, len(rows) // 2_000)]


def _commit() -> str:
    """Return the commit of this repository; ``unknown`` outside of one."""
    run = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True
    )  # fmt: skip
    return run.stdout.strip() or "unknown"


def main(arguments: Sequence[str]) -> None:
    """Train on a recording and print what was written."""
    if len(arguments) not in (1, 2):
        raise SystemExit("usage: train.py RECORDING [FILE.onnx]")
    bundled = Path(__file__).parents[2] / "libs" / "truebook" / "models" / "bundled" / "gold15m.onnx"
    exported = train(Path(arguments[0]), Path(arguments[1]) if len(arguments) == 2 else bundled)
    text = msgspec.json.format(msgspec.json.encode(exported.model.metadata.trained.split("; ")), indent=2).decode()
    sys.stdout.write(f"{exported.path}: {exported.compared_rows} rows compared\n{text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
