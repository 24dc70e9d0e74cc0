"""Fitted scikit-learn estimators, pipelines too, as ONNX graphs by skl2onnx."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from truebook.decision.strategy import Strategy
from truebook.models.check_rows import Batch
from truebook.models.conversion.graph import OPSETS, completed, input_name
from truebook.models.conversion.histogram_boosting import corrected_converters
from truebook.models.conversion.parts import Conversion, ExportTarget, Outputs, imported, places_of
from truebook.models.conversion.selection import Actions, Selection, of_probabilities, of_values
from truebook.models.errors import NotConvertible

EXTRA: Final = "convert"
_ISOTONIC: Final = (
    "Isotonic calibration is converted to a staircase without the lines between its steps: calibrate with "
    "method='sigmoid'"
)
_SCALED_TREES: Final = (
    "Trees after a transformation compare float32 numbers with splits between float64 numbers: fit trees on the "
    "features themselves, they need no scaling"
)
_FLOAT32: Final = (
    "The graph computes in float32, scikit-learn in float64: scale features before powers, products and exponentials, "
    "and leave out features that are nearly constant; or convert with other versions of skl2onnx"
)


def convert_sklearn(fitted: Any, target: ExportTarget, yes: Any, actions: Actions | None) -> Conversion:
    """Convert a fitted classifier with ``predict_proba``, or a regressor; raises ``NotConvertible``."""
    sklearn, skl2onnx = imported("sklearn", EXTRA), imported("skl2onnx", EXTRA)
    count = getattr(fitted, "n_features_in_", None)
    if count is None:
        raise NotConvertible(f"{type(fitted).__name__} is not a fitted scikit-learn estimator: fit it first")
    names = getattr(fitted, "feature_names_in_", None)
    places = places_of(target, int(count), None if names is None else [str(name) for name in names])
    values = _values_function(sklearn, fitted)
    selection = _selection(fitted, _sample(fitted, values, len(places)), target.strategy, yes, actions)
    name = input_name(places, target)
    try:
        converted = skl2onnx.convert_sklearn(
            fitted,
            initial_types=[(name, skl2onnx.common.data_types.FloatTensorType([None, len(places)]))],
            options={id(fitted): {"zipmap": False}} if hasattr(fitted, "classes_") else None,
            target_opset=dict(OPSETS),
            custom_conversion_functions=corrected_converters(sklearn, skl2onnx),
        )
    except Exception as error:
        # The converters of skl2onnx raise errors of any class.
        what = f"skl2onnx {skl2onnx.__version__} can't convert this {type(fitted).__name__}"
        raise NotConvertible(f"{what}: {type(error).__name__}: {_short(error)}") from error
    raw = converted.graph.output[-1].name  # a classifier's first output are the labels

    def predict(rows: Batch) -> Outputs:
        return selection.apply(values(rows[:, places].astype(np.float64)))

    return Conversion(
        graph=completed(converted, raw, places, selection, target),
        predict=predict,
        trainer=f"scikit-learn {sklearn.__version__}",
        advice=_advice(fitted),
    )


def parts_of(fitted: Any) -> Iterator[Any]:
    """Walk through an estimator and all fitted estimators inside it."""
    seen: set[int] = set()
    pending = [fitted]
    while pending:
        each = pending.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if hasattr(each, "get_params") or type(each).__name__.startswith("_Calibrated"):
            yield each
            pending += vars(each).values()
        elif isinstance(each, list | tuple):
            pending += each
        elif isinstance(each, dict):
            pending += each.values()


def _advice(fitted: Any) -> str:
    """Return what to do about other outputs, by the first known cause that the model has."""
    parts = list(parts_of(fitted))
    if any(type(part).__name__ == "IsotonicRegression" for part in parts):
        return _ISOTONIC
    has_trees = any(hasattr(part, "tree_") or hasattr(part, "_predictors") for part in parts)
    return _SCALED_TREES if has_trees and any(hasattr(part, "transform") for part in parts) else _FLOAT32


def _values_function(sklearn: Any, fitted: Any) -> Callable[[npt.NDArray[np.float64]], Any]:
    """Return the estimator's own function of float64 rows: probabilities of the classes, or a regressor's values."""
    if hasattr(fitted, "predict_proba"):
        method = fitted.predict_proba
    elif sklearn.base.is_regressor(fitted):
        method = fitted.predict
    else:
        what = f"{type(fitted).__name__} has no predict_proba and is no regressor"
        raise NotConvertible(f"{what}: wrap a classifier in CalibratedClassifierCV(…, method='sigmoid')")

    def values(rows: npt.NDArray[np.float64]) -> Any:
        with warnings.catch_warnings():  # fitted with names, used without
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            return method(rows)

    return values


def _sample(fitted: Any, values: Callable[[npt.NDArray[np.float64]], Any], count: int) -> Any:
    """Return what the estimator returns for one row; raises ``NotConvertible`` if it can't read an array."""
    try:
        return values(np.zeros((1, count)))
    except Exception as error:
        # An estimator's own steps raise errors of any class.
        what = f"{type(fitted).__name__} can't read rows without names: {type(error).__name__}: {_short(error)}"
        raise NotConvertible(f"{what} Choose the columns of a ColumnTransformer by position") from error


def _selection(fitted: Any, sample: Any, strategy: Strategy, yes: Any, actions: Actions | None) -> Selection:
    """Select outputs; ``sample`` is what the estimator returns for one row."""
    if hasattr(fitted, "predict_proba"):
        if isinstance(sample, list):
            raise NotConvertible(f"{type(fitted).__name__} has several targets: fit one classifier for one target")
        return of_probabilities(list(fitted.classes_), strategy, yes, actions)
    if yes is not None or actions is not None:
        raise NotConvertible("yes=… and actions={…} are for classifiers: a regressor's values are the outputs")
    values = np.asarray(sample)
    return of_values(values.shape[1] if values.ndim == 2 else 1, strategy)


def _short(error: Exception) -> str:
    """Return the first and the last line of a converter's error, which may list a whole model between them."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [""]
    cause = f" ({_short(error.__cause__)})" if isinstance(error.__cause__, Exception) else ""
    return f"{lines[0][:200]}{cause}"
