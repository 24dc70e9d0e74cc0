"""Fitted scikit-learn models become checked files: both outputs, both layouts, and the traps of the conversion."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from support.fitted import ACTIONS, YES, found_by, labels_of, made_rows, target
from truebook.decision.strategy import Intent, Output, Strategy
from truebook.features.layout import layout
from truebook.models.conversion import histogram_boosting
from truebook.models.errors import MissingLibrary, ModelRefused, NotConvertible, OutputsDiffer
from truebook.models.export import from_sklearn
from truebook.models.session import load_model
from truebook.models.verification import verification_rows

pytest.importorskip("sklearn", reason="scikit-learn is missing: install truebook[convert]")
pytest.importorskip("skl2onnx", reason="skl2onnx is missing: install truebook[convert]")

from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

ROWS = made_rows()
LABELS = labels_of(ROWS)
MODELS = [
    make_pipeline(StandardScaler(), LogisticRegression()),
    RandomForestClassifier(10, max_depth=6, random_state=0),
    RandomForestClassifier(1, random_state=0),
    DecisionTreeClassifier(max_depth=5, random_state=0),
    HistGradientBoostingClassifier(max_iter=5),
    HistGradientBoostingClassifier(max_iter=1),
    GradientBoostingClassifier(n_estimators=10, random_state=0),
    make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=20, random_state=0, tol=1.0)),
    CalibratedClassifierCV(RandomForestClassifier(5, max_depth=4, random_state=0), method="sigmoid", cv=2),
]


@pytest.mark.parametrize("estimator", MODELS, ids=lambda each: type(each).__name__)
def test_a_classifier_returns_its_probability_of_yes(estimator: Any, tmp_path: Path) -> None:
    fitted = estimator.fit(ROWS, LABELS)
    exported = from_sklearn(fitted, target(tmp_path, samples=ROWS))
    assert exported.compared_rows == 384 + len(ROWS)
    assert exported.max_difference < 1e-5
    as_float32 = ROWS.astype(np.float32).astype(np.float64)
    expected = fitted.predict_proba(as_float32)[:, [1]]
    assert np.abs(found_by(exported.path)(ROWS) - expected).max() < 1e-5


@pytest.mark.parametrize("name", ["m1", "c52"])
def test_both_layouts_and_outputs_are_written(name: str, tmp_path: Path) -> None:
    rows = made_rows(name)
    labels = np.digitize(rows[:, 0], [0.3, 0.6])
    fitted = RandomForestClassifier(5, max_depth=4, random_state=0).fit(rows, labels)
    strategy = Strategy(output=Output.ACTION_LOGITS, sizes_centi=(500, 1_000), max_position_centi=2_000)
    exported = from_sklearn(fitted, target(tmp_path, strategy, name), actions={0: 5, 1: 0, 2: 2})
    found = found_by(exported.path)(rows)
    chosen = np.array([5, 0, 2])[fitted.predict_proba(rows.astype(np.float32)).argmax(axis=1)]
    assert found.shape == (len(rows), 9)
    assert (found.argmax(axis=1) == chosen).mean() > 0.99
    assert (found[:, [1, 3, 4, 6, 7, 8]] == -1).all()
    metadata = load_model(exported.path).metadata
    assert (metadata.layout, metadata.max_position_centi, metadata.outputs) == (name, 2_000, 9)


def test_the_file_has_check_rows_and_one_tensor_as_output(tmp_path: Path) -> None:
    fitted = LogisticRegression().fit(ROWS, LABELS)
    exported = from_sklearn(fitted, target(tmp_path, samples=ROWS, trained="made data"))
    metadata = load_model(exported.path).metadata
    assert metadata.check_rows is not None
    assert len(metadata.check_rows.inputs) == 16
    assert metadata.check_rows.inputs[0] == pytest.approx(tuple(ROWS[0]))
    assert (metadata.name, metadata.trained) == ("made", "made data")
    graph = onnx.load(exported.path).graph
    assert [each.name for each in graph.output] == ["yes_probability"]
    assert not [node.op_type for node in graph.node if node.op_type in ("ZipMap", "ArrayFeatureExtractor")]
    assert [path.name for path in tmp_path.iterdir()] == ["made.onnx"]


def test_string_classes_and_their_order_are_followed(tmp_path: Path) -> None:
    fitted = LogisticRegression().fit(ROWS, np.where(LABELS == 1, "above", "below"))
    found = found_by(from_sklearn(fitted, target(tmp_path), yes="above").path)(ROWS)
    assert fitted.classes_.tolist() == ["above", "below"]
    assert np.abs(found[:, 0] - fitted.predict_proba(ROWS)[:, 0]).max() < 1e-6


def test_classes_in_another_order_are_followed(tmp_path: Path) -> None:
    fitted = LogisticRegression().fit(ROWS, LABELS)
    expected = fitted.predict_proba(ROWS)[:, [1]]
    fitted.classes_, fitted.coef_, fitted.intercept_ = fitted.classes_[::-1], -fitted.coef_, -fitted.intercept_
    assert np.abs(found_by(from_sklearn(fitted, target(tmp_path)).path)(ROWS) - expected).max() < 1e-6


def test_isotonic_calibration_is_refused_with_its_staircase(tmp_path: Path) -> None:
    """skl2onnx 1.20 drops the lines between the steps: up to 0.04 of difference, with equal labels."""
    forest = RandomForestClassifier(10, max_depth=5, random_state=0)
    fitted = CalibratedClassifierCV(forest, method="isotonic", cv=2).fit(ROWS, LABELS)
    with pytest.raises(OutputsDiffer, match=r"row \d+: scikit-learn .* returns .*method='sigmoid'") as refused:
        from_sklearn(fitted, target(tmp_path, samples=ROWS))
    assert abs(refused.value.found - refused.value.expected) > 0.001
    assert not list(tmp_path.iterdir())


def test_a_nearly_constant_feature_is_refused(tmp_path: Path) -> None:
    """The mean of the scaler is rounded to float32, by a part of the feature's spread."""
    rows = ROWS.copy()
    rows[:, 1] = np.float32(0.7) + np.random.default_rng(1).integers(0, 3, len(rows)) * 6e-8
    labels = (rows[:, 1] > np.float32(0.7)).astype(int)
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows.astype(np.float32), labels)
    with pytest.raises(OutputsDiffer, match="leave out features that are nearly constant"):
        from_sklearn(fitted, target(tmp_path, samples=rows))


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_a_scaler_that_overflows_is_refused(tmp_path: Path) -> None:
    scaler = StandardScaler().fit(ROWS)
    scaler.scale_[:2] = 1e-40
    model = LogisticRegression().fit(ROWS, LABELS)
    model.coef_[0, :2] = 1.0, -1.0
    with pytest.raises((NotConvertible, ModelRefused), match=r"float32|not finite|not a probability"):
        from_sklearn(make_pipeline(scaler, model), target(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(5, max_features=None, random_state=0),
        HistGradientBoostingClassifier(max_iter=3),
        HistGradientBoostingRegressor(max_iter=3),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_split_between_two_float32_numbers_is_kept(estimator: Any, tmp_path: Path) -> None:
    rows = ROWS.astype(np.float32)
    low = np.nextafter(np.float32(0.3), np.float32(1))
    upper = np.random.default_rng(1).random(len(rows)) < 0.5
    rows[:, 3] = np.where(upper, np.nextafter(low, np.float32(1)), low)
    fitted = estimator.fit(rows, upper)
    assert from_sklearn(fitted, target(tmp_path, samples=rows)).max_difference < 1e-5


def test_a_model_of_some_features_reads_them_by_name(tmp_path: Path) -> None:
    names = ["spread", "mid", "momentum"]
    places = [layout("m1").names.index(name) for name in names]
    fitted = LogisticRegression().fit(ROWS[:, places], LABELS)
    with pytest.raises(NotConvertible, match=r"reads 3 features without names, layout m1 has 24: name those"):
        from_sklearn(fitted, target(tmp_path))
    exported = from_sklearn(fitted, target(tmp_path, columns=names))
    expected = fitted.predict_proba(ROWS[:, places])[:, [1]]
    assert np.abs(found_by(exported.path)(ROWS) - expected).max() < 1e-6


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("names", [["momentum", "mid"], ["f009", "f000"]])
def test_names_of_the_training_data_are_followed(names: list[str], tmp_path: Path) -> None:
    places = [9, 0]
    fitted = LogisticRegression().fit(ROWS[:, places], LABELS)
    fitted.feature_names_in_ = np.array(names, object)
    expected = fitted.predict_proba(ROWS[:, places])[:, [1]]
    assert np.abs(found_by(from_sklearn(fitted, target(tmp_path)).path)(ROWS) - expected).max() < 1e-6


@pytest.mark.parametrize("columns", [["mid", "nothing"], ["mid", "mid"], ["mid"]])
def test_wrong_columns_are_refused(columns: list[str], tmp_path: Path) -> None:
    fitted = LogisticRegression().fit(ROWS[:, :2], LABELS)
    with pytest.raises(NotConvertible, match=r"'nothing' of its features|reads 2 features, but 1 different"):
        from_sklearn(fitted, target(tmp_path, columns=columns))


def test_regressors_return_prices_and_scores(tmp_path: Path) -> None:
    price = LinearRegression().fit(ROWS, ROWS[:, 0] * 1.5 - 0.2)
    found = found_by(from_sklearn(price, target(tmp_path, samples=ROWS)).path)(ROWS)
    assert found.min() == 0.0
    assert found.max() == 1.0
    scores = RandomForestRegressor(3, max_depth=4, random_state=0).fit(ROWS, ROWS[:, :5] * 10)
    found = found_by(from_sklearn(scores, target(tmp_path, ACTIONS, samples=ROWS)).path)(ROWS)
    assert np.abs(found - scores.predict(ROWS.astype(np.float32))).max() < 1e-4


def test_equal_scores_that_rounding_decides_are_counted(tmp_path: Path) -> None:
    """Twenty trees are often ten to ten: float64 sums are equal then, float32 sums may not be."""
    fitted = RandomForestClassifier(20, random_state=0).fit(ROWS, LABELS)
    exported = from_sklearn(fitted, target(tmp_path, ACTIONS, samples=ROWS), actions={0: 0, 1: Intent.BUY_YES})
    rows = verification_rows(layout("m1"), ROWS)
    found = found_by(exported.path)(rows)
    differing = found.argmax(axis=1) != fitted.predict(rows.astype(np.float32))  # class 1 is action 1
    assert exported.other_actions == differing.sum() > 0
    assert np.abs(np.diff(found[differing, :2], axis=1)).max() < 1e-5


@pytest.mark.parametrize(
    ("fitted", "message"),
    [
        (LogisticRegression(), "LogisticRegression is not a fitted scikit-learn estimator"),
        (object(), "object is not a fitted"),
        (RidgeClassifier().fit(ROWS, LABELS), "has no predict_proba and is no regressor: wrap"),
        (LinearRegression().fit(ROWS, ROWS[:, :2]), "returns 2 values a row, yes_probability needs 1"),
        (RandomForestClassifier(2).fit(ROWS, np.stack([LABELS, LABELS], 1)), "has several targets"),
    ],
)
def test_what_cannot_become_a_model_is_refused(fitted: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(NotConvertible, match=message):
        from_sklearn(fitted, target(tmp_path))


def test_a_class_map_for_a_regressor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotConvertible, match=r"are for classifiers"):
        from_sklearn(LinearRegression().fit(ROWS, LABELS), target(tmp_path), yes=1)


def test_an_older_file_is_kept_if_the_new_one_is_refused(tmp_path: Path) -> None:
    path = from_sklearn(LogisticRegression().fit(ROWS, LABELS), target(tmp_path)).path
    before = path.read_bytes()
    fitted = CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=2).fit(ROWS, LABELS)
    with pytest.raises(OutputsDiffer):
        from_sklearn(fitted, target(tmp_path, samples=ROWS))
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["made.onnx"]


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = LogisticRegression().fit(ROWS, LABELS)
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(MissingLibrary, match=r"skl2onnx is needed .*install truebook\[convert\]"):
        from_sklearn(fitted, target(tmp_path))


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    fitted = LogisticRegression().fit(ROWS, LABELS)
    first = from_sklearn(fitted, target(tmp_path)).path.read_bytes()
    assert from_sklearn(fitted, target(tmp_path)).path.read_bytes() == first
    assert YES.outputs == 1


def test_nearest_thresholds_would_change_branches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why the thresholds of histogram boosting are rounded down: skl2onnx rounds them to the nearest float32."""
    monkeypatch.setattr(histogram_boosting, "_thresholds", lambda fitted: np.empty(0))
    rows = ROWS.astype(np.float32)
    low = np.nextafter(np.float32(0.3), np.float32(1))
    upper = np.random.default_rng(1).random(len(rows)) < 0.5
    rows[:, 3] = np.where(upper, np.nextafter(low, np.float32(1)), low)
    with pytest.raises(OutputsDiffer):
        from_sklearn(HistGradientBoostingClassifier(max_iter=3).fit(rows, upper), target(tmp_path, samples=rows))


def test_trees_after_a_scaler_are_refused_where_they_differ(tmp_path: Path) -> None:
    fitted = make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=5)).fit(ROWS, LABELS)
    with pytest.raises(OutputsDiffer, match="fit trees on the features themselves"):
        from_sklearn(fitted, target(tmp_path, samples=ROWS))


def test_what_skl2onnx_cannot_convert_is_refused(tmp_path: Path) -> None:
    voting = VotingClassifier([("one", LogisticRegression())], voting="soft").fit(ROWS, LABELS)
    with pytest.raises(NotConvertible, match=r"skl2onnx .* can't convert this VotingClassifier: NotImplemented"):
        from_sklearn(voting, target(tmp_path))


def test_columns_chosen_by_name_are_refused(tmp_path: Path) -> None:
    """Fitted on a table with names, as it would be by pandas; an exported model reads an array."""
    by_place = ColumnTransformer([("scaled", StandardScaler(), [0])])
    fitted = make_pipeline(by_place, LogisticRegression()).fit(ROWS, LABELS)
    by_place.transformers_ = [(name, step, ["mid"]) for name, step, _ in by_place.transformers_]
    by_place.feature_names_in_ = np.array(layout("m1").names, object)
    with pytest.raises(NotConvertible, match=r"Pipeline can't read rows without names: ValueError: .*by position"):
        from_sklearn(fitted, target(tmp_path))
