"""Fitted LightGBM models become checked files, with exact thresholds; what the converter changes is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fitted import ACTIONS, found_by, labels_of, made_rows, target
from truebook.models.conversion import lightgbm_models
from truebook.models.conversion.lightgbm_models import with_float32_thresholds
from truebook.models.errors import MissingLibrary, NotConvertible, OutputsDiffer
from truebook.models.export import from_lightgbm

lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is missing: install truebook[convert]")
pytest.importorskip("onnxmltools", reason="onnxmltools is missing: install truebook[convert]")

ROWS = made_rows()
LABELS = labels_of(ROWS)
QUIET = {"verbosity": -1, "num_threads": 1, "deterministic": True}


def trained(rows: Any = ROWS, labels: Any = LABELS, rounds: int = 8, **parameters: Any) -> Any:
    data = lightgbm.Dataset(rows, labels, params={"verbosity": -1})
    return lightgbm.train({"objective": "binary"} | QUIET | parameters, data, rounds)


@pytest.mark.parametrize("rounds", [1, 40])
def test_a_booster_returns_its_probability_of_yes(rounds: int, tmp_path: Path) -> None:
    booster = trained(rounds=rounds)
    exported = from_lightgbm(booster, target(tmp_path, samples=ROWS))
    assert exported.max_difference < 1e-5
    expected = booster.predict(ROWS.astype(np.float32).astype(np.float64))
    assert np.abs(found_by(exported.path)(ROWS)[:, 0] - expected).max() < 1e-5


@pytest.mark.parametrize("name", ["m1", "c52"])
def test_classes_become_actions(name: str, tmp_path: Path) -> None:
    rows = made_rows(name)
    labels = np.array(["down", "flat", "up"])[np.digitize(rows[:, 0], [0.3, 0.6])]
    fitted = lightgbm.LGBMClassifier(n_estimators=5, n_jobs=1, verbosity=-1).fit(rows, labels)
    exported = from_lightgbm(fitted, target(tmp_path, ACTIONS, name), actions={"down": 3, "flat": 0, "up": 1})
    chosen = np.array([3, 0, 1])[fitted.predict_proba(rows.astype(np.float32)).argmax(axis=1)]
    assert (found_by(exported.path)(rows).argmax(axis=1) == chosen).all()


@pytest.mark.parametrize("objective", ["regression", "poisson", "quantile"])
def test_a_regression_returns_a_price(objective: str, tmp_path: Path) -> None:
    booster = trained(labels=ROWS[:, 0], objective=objective)
    assert from_lightgbm(booster, target(tmp_path, samples=ROWS)).max_difference < 1e-5


def test_the_best_iteration_is_written_as_it_is_predicted(tmp_path: Path) -> None:
    booster = trained()
    booster.best_iteration = 3
    assert not np.allclose(booster.predict(ROWS), booster.predict(ROWS, num_iteration=8))
    assert from_lightgbm(booster, target(tmp_path, samples=ROWS)).max_difference < 1e-5


def adjacent_rows() -> tuple[Any, Any]:
    """Rows whose feature 3 is one of two float32 neighbours: the split between them is no float32 number."""
    rows = ROWS.astype(np.float32)
    low = np.nextafter(np.float32(0.3), np.float32(1))
    upper = np.random.default_rng(1).random(len(rows)) < 0.5
    rows[:, 3] = np.where(upper, np.nextafter(low, np.float32(1)), low)
    return rows, upper


def test_a_split_between_two_float32_numbers_is_kept(tmp_path: Path) -> None:
    rows, upper = adjacent_rows()
    exported = from_lightgbm(trained(rows, upper), target(tmp_path, samples=rows))
    assert exported.max_difference < 1e-5


def test_nearest_thresholds_would_change_branches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why thresholds are rounded down: rounded to the nearest float32, this split has all rows on one side."""
    monkeypatch.setattr(lightgbm_models, "with_float32_thresholds", lambda text: text)
    rows, upper = adjacent_rows()
    with pytest.raises(OutputsDiffer) as refused:
        from_lightgbm(trained(rows, upper), target(tmp_path, samples=rows))
    assert abs(refused.value.found - refused.value.expected) > 0.1


@given(st.floats(-1e38, 1e38), st.floats(-(2.0**126), 2.0**126, width=32))
def test_a_rounded_threshold_keeps_every_branch(threshold: float, feature: float) -> None:
    text = with_float32_thresholds(f"threshold={threshold!r}\ndecision_type=2\n")
    rounded = float(text.splitlines()[1].removeprefix("threshold="))
    assert rounded == np.float32(rounded)
    assert (feature <= threshold) == (feature <= rounded)
    near = float(np.float32(threshold))
    assert (near <= threshold) == (near <= rounded)


def test_categories_and_the_rest_of_the_text_are_kept() -> None:
    text = "tree_sizes=300\nTree=0\nthreshold=0.1 2 0.1\ndecision_type=2 1 10\nleaf_value=0.1 0.2 0.3 0.4\n"
    assert with_float32_thresholds(text).splitlines() == [
        "Tree=0", "decision_type=2 1 10", "threshold=0.09999999403953552 2 0.09999999403953552",
        "leaf_value=0.1 0.2 0.3 0.4",
    ]  # fmt: skip


def test_rounded_thresholds_predict_the_same() -> None:
    booster = trained(rounds=30)
    rounded = lightgbm.Booster(model_str=with_float32_thresholds(booster.model_to_string()))
    rows = made_rows(count=2_000).astype(np.float32).astype(np.float64)
    assert (rounded.predict(rows) == booster.predict(rows)).all()


CHANGED = {
    "boosting=rf": {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7},
    "linear_tree": {"objective": "regression", "linear_tree": True},
    "multiclassova": {"objective": "multiclassova", "num_class": 2},
    "sigmoid other than 1": {"sigmoid": 2.0},
    "reg_sqrt": {"objective": "regression", "reg_sqrt": True},
    "zero_as_missing": {"zero_as_missing": True},
}
"""Part of the reason -> parameters that onnxmltools 1.16 converts to another function, without an error."""


def changed_model(parameters: dict[str, Any]) -> tuple[Any, Any]:
    rows = np.where(np.random.default_rng(2).random(ROWS.shape) < 0.4, 0, ROWS)
    labels = rows[:, 0] + rows[:, 4] if "linear_tree" in parameters else rows[:, 3] == 0
    return trained(rows, labels, **parameters), rows


@pytest.mark.parametrize("reason", CHANGED)
def test_what_the_converter_changes_is_refused(reason: str, tmp_path: Path) -> None:
    booster, _ = changed_model(CHANGED[reason])
    with pytest.raises(NotConvertible, match=f"would convert it to another function: .*{reason}"):
        from_lightgbm(booster, target(tmp_path), yes=1 if "multiclass" in reason else None)


@pytest.mark.parametrize("reason", CHANGED)
def test_the_comparison_finds_it_too(reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lightgbm_models, "_refuse_unsupported", lambda text, version: None)
    booster, rows = changed_model(CHANGED[reason])
    with pytest.raises(OutputsDiffer, match=r"compared rows differ, most of all row \d+: LightGBM"):
        from_lightgbm(booster, target(tmp_path, samples=rows), yes=1 if "multiclass" in reason else None)
    assert not list(tmp_path.iterdir())


def test_a_model_that_was_trained_with_missing_values_is_written(tmp_path: Path) -> None:
    rows = np.where(np.random.default_rng(2).random(ROWS.shape) < 0.2, np.nan, ROWS)
    assert from_lightgbm(trained(rows), target(tmp_path, samples=ROWS)).max_difference < 1e-5
    with pytest.raises(NotConvertible, match="of samples has a feature that is missing"):
        from_lightgbm(trained(rows), target(tmp_path, samples=rows))


def test_features_are_read_by_their_names(tmp_path: Path) -> None:
    data = lightgbm.Dataset(ROWS[:, [9, 0]], LABELS, feature_name=["momentum", "mid"], params={"verbosity": -1})
    booster = lightgbm.train({"objective": "binary"} | QUIET, data, 5)
    found = found_by(from_lightgbm(booster, target(tmp_path)).path)(ROWS)
    assert np.abs(found[:, 0] - booster.predict(ROWS[:, [9, 0]])).max() < 1e-5
    data = lightgbm.Dataset(ROWS[:, :2], LABELS, feature_name=["mid", "weather"], params={"verbosity": -1})
    with pytest.raises(NotConvertible, match="'weather' of its features are not in layout m1"):
        from_lightgbm(lightgbm.train({"objective": "binary"} | QUIET, data, 2), target(tmp_path))


@pytest.mark.parametrize(
    ("fitted", "message"),
    [
        (lightgbm.LGBMClassifier(), "LGBMClassifier is no fitted LightGBM model"),
        (object(), "object is no fitted LightGBM model"),
    ],
)
def test_what_is_no_fitted_model_is_refused(fitted: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(NotConvertible, match=message):
        from_lightgbm(fitted, target(tmp_path))


def test_an_objective_without_a_converter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotConvertible, match=r"onnxmltools .* can't convert this model: .*cross_entropy"):
        from_lightgbm(trained(objective="cross_entropy"), target(tmp_path))


def test_a_class_map_for_a_regression_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotConvertible, match="are for classifiers"):
        from_lightgbm(trained(objective="regression"), target(tmp_path), yes=1)


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    booster = trained(rounds=1)
    monkeypatch.setitem(sys.modules, "onnxmltools", None)
    with pytest.raises(MissingLibrary, match=r"onnxmltools is needed .*install truebook\[convert\]"):
        from_lightgbm(booster, target(tmp_path))
