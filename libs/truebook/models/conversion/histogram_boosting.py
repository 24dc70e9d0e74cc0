"""scikit-learn's histogram gradient boosting: what skl2onnx writes for it, corrected on its way to the graph.

skl2onnx 1.20 writes a flag as ``bool`` where protobuf 7 takes whole numbers only, and rounds the float64 thresholds to
the nearest float32, which moves some splits; rounded down, every float32 feature takes the trainer's branch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_FLAGS: Final = "nodes_missing_value_tracks_true"
_VALUES: Final = "nodes_values"


def corrected_converters(sklearn: Any, skl2onnx: Any) -> dict[type, Callable[[Any, Any, Any], None]]:
    """Return the converters that replace skl2onnx's own, per class of estimator."""
    ensemble, registered = sklearn.ensemble, skl2onnx.common._registration.get_converter
    names = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
    return {getattr(ensemble, name): _corrected(registered(f"Sklearn{name}")) for name in names}


def _corrected(convert: Callable[[Any, Any, Any], None]) -> Callable[[Any, Any, Any], None]:
    def corrected(scope: Any, operator: Any, container: Any) -> None:
        convert(scope, operator, _Container(container, _thresholds(operator.raw_operator)))

    return corrected


class _Container:
    """skl2onnx's collector of nodes, with the attributes of tree nodes corrected."""

    def __init__(self, inner: Any, thresholds: npt.NDArray[np.float64]) -> None:
        self._inner = inner
        self._thresholds = thresholds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def add_node(self, kind: str, inputs: Any, outputs: Any, **attributes: Any) -> None:
        if _FLAGS in attributes:
            attributes[_FLAGS] = [int(flag) for flag in attributes[_FLAGS]]
            attributes[_VALUES] = self._rounded_down(np.asarray(attributes[_VALUES], np.float32))
        self._inner.add_node(kind, inputs, outputs, **attributes)

    def _rounded_down(self, written: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the thresholds rounded down; unchanged if they are not the estimator's, in its order."""
        exact = self._thresholds
        if len(exact) != len(written) or not np.allclose(exact, written, rtol=1e-6, atol=1e-37):
            return written
        nearest = exact.astype(np.float32)
        lower = np.nextafter(nearest, np.float32(-np.inf))
        return np.where(nearest.astype(np.float64) <= exact, nearest, lower)


def _thresholds(fitted: Any) -> npt.NDArray[np.float64]:
    """Return the thresholds of all nodes of all trees, 0 for leaves, in the order in which they are written."""
    nodes = [tree.nodes for trees in fitted._predictors for tree in trees]
    return np.concatenate([np.where(each["is_leaf"], 0.0, each["num_threshold"]) for each in nodes])
