"""Fitted LightGBM models as ONNX graphs by onnxmltools, with thresholds that float32 comparisons keep.

LightGBM compares float64 features with float64 thresholds; the graph has float32 for both. A threshold that is rounded
up can equal a feature that was above it, and its row changes the branch: one in some hundred rows of ordinary data.
Rounded down to the next float32, every float32 feature takes the trainer's branch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from truebook.models.check_rows import Batch
from truebook.models.conversion.graph import completed, input_name
from truebook.models.conversion.parts import Conversion, ExportTarget, Outputs, imported, places_of
from truebook.models.conversion.selection import Actions, of_probabilities, of_values
from truebook.models.errors import NotConvertible

EXTRA: Final = "convert"
_OPSET: Final = 15
"""The newest that onnxmltools 1.13 to 1.16 writes."""
_CATEGORICAL: Final = 1
_MISSING_TYPE: Final = 12
_ZERO_IS_MISSING: Final = 4
"""Bits of a node's ``decision_type`` in LightGBM's text format (``include/LightGBM/tree.h``)."""
_ADVICE: Final = (
    "Convert with other versions of onnxmltools and ONNX Runtime, or change what is special in the training"
)
_NOT_CONVERTED: Final = (
    (r"^average_output$", "boosting=rf: the trees' mean becomes their sum; train with gbdt"),
    (r"^is_linear=1$", "linear_tree: the linear parts are dropped; train without"),
    (r"^objective=multiclassova", "objective multiclassova: the probabilities are normalised; train with multiclass"),
    (r"^objective=binary sigmoid:(?!1$)", "a sigmoid other than 1 is ignored; train with sigmoid=1"),
    (r"^objective=regression sqrt$", "reg_sqrt: the values are not squared; square the target before training"),
)
"""Lines of LightGBM's text format of models that onnxmltools 1.16 converts to another function, without an error."""


def convert_lightgbm(fitted: Any, target: ExportTarget, yes: Any, actions: Actions | None) -> Conversion:
    """Convert a ``Booster``, ``LGBMClassifier`` or ``LGBMRegressor``; raises ``NotConvertible``."""
    lightgbm, onnxmltools = imported("lightgbm", EXTRA), imported("onnxmltools", EXTRA)
    booster = _booster_of(lightgbm, fitted)
    text: str = booster.model_to_string()  # up to the best iteration, as predict
    _refuse_unsupported(text, onnxmltools.__version__)
    names = list(booster.feature_name())
    generic = all(re.fullmatch(r"Column_\d+", name) for name in names)
    places = places_of(target, len(names), None if generic else names)
    classes = _classes_of(fitted, text)
    if classes is None:
        if yes is not None or actions is not None:
            raise NotConvertible("yes=… and actions={…} are for classifiers: a regressor's values are the outputs")
        selection = of_values(1, target.strategy)
    else:
        selection = of_probabilities(classes, target.strategy, yes, actions)
    name = input_name(places, target)
    try:
        converted = onnxmltools.convert_lightgbm(
            lightgbm.Booster(model_str=with_float32_thresholds(text)),
            initial_types=[(name, onnxmltools.convert.common.data_types.FloatTensorType([None, len(places)]))],
            zipmap=False,
            target_opset=_OPSET,
        )
    except Exception as error:
        # The converters of onnxmltools raise errors of any class.
        what = f"onnxmltools {onnxmltools.__version__} can't convert this model"
        raise NotConvertible(f"{what}: {type(error).__name__}: {str(error)[:300]}") from error

    def predict(rows: Batch) -> Outputs:
        values = np.asarray(booster.predict(rows[:, places].astype(np.float64), num_threads=1))
        is_binary = classes is not None and values.ndim == 1
        return selection.apply(np.stack([1 - values, values], axis=1) if is_binary else values)

    return Conversion(
        graph=completed(converted, converted.graph.output[-1].name, places, selection, target),
        predict=predict,
        trainer=f"LightGBM {lightgbm.__version__}",
        advice=_ADVICE,
    )


def with_float32_thresholds(text: str) -> str:
    """Return a model in LightGBM's text format whose numeric thresholds are float32 numbers, rounded down."""
    lines = []
    kinds: list[int] = []
    for line in _in_order(text.splitlines()):
        key, _, values = line.partition("=")
        if key == "tree_sizes":  # in bytes: without them the text is read tree by tree
            continue
        if key == "decision_type":
            kinds = [int(kind) for kind in values.split()]
        elif key == "threshold":
            pairs = zip(values.split(), kinds, strict=True)
            line = "threshold=" + " ".join(value if kind & _CATEGORICAL else _floor(value) for value, kind in pairs)
        lines.append(line)
    return "\n".join(lines) + "\n"


def _in_order(lines: list[str]) -> list[str]:
    """Return the lines with each ``decision_type`` before its ``threshold``, which needs it."""
    for at, line in enumerate(lines[:-1]):
        if line.startswith("threshold=") and lines[at + 1].startswith("decision_type="):
            lines[at], lines[at + 1] = lines[at + 1], lines[at]
    return lines


def _floor(value: str) -> str:
    """Return the largest float32 that is not above a number."""
    exact = float(value)
    limits = np.finfo(np.float32)
    near = np.float32(min(max(exact, float(limits.min)), float(limits.max)))
    return repr(float(near if float(near) <= exact else np.nextafter(near, np.float32(-np.inf))))


def _booster_of(lightgbm: Any, fitted: Any) -> Any:
    if isinstance(fitted, lightgbm.Booster):
        return fitted
    if isinstance(fitted, lightgbm.LGBMModel) and fitted.__sklearn_is_fitted__():
        return fitted.booster_
    raise NotConvertible(f"{type(fitted).__name__} is no fitted LightGBM model: fit it first")


def _classes_of(fitted: Any, text: str) -> Sequence[Any] | None:
    """Return the labels in the order of the probabilities; None for a regression."""
    if hasattr(fitted, "classes_"):
        return list(fitted.classes_)
    objective = _value_of(text, "objective")
    if objective.startswith("binary"):
        return [0, 1]
    return list(range(int(_value_of(text, "num_class")))) if objective.startswith("multiclass") else None


def _value_of(text: str, key: str) -> str:
    found = re.search(rf"^{key}=(.*)$", text, re.MULTILINE)
    return found[1] if found else ""


def _refuse_unsupported(text: str, version: str) -> None:
    reasons = [reason for pattern, reason in _NOT_CONVERTED if re.search(pattern, text, re.MULTILINE)]
    kinds = {int(kind) for values in re.findall(r"^decision_type=(.*)$", text, re.MULTILINE) for kind in values.split()}
    if any(kind & _MISSING_TYPE == _ZERO_IS_MISSING for kind in kinds):
        reasons.append("zero_as_missing: zeros take the wrong branch; train without")
    if reasons:
        raise NotConvertible(f"onnxmltools {version} would convert it to another function: {'; '.join(reasons)}")
