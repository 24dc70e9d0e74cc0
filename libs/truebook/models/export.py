"""Write model files that Truebook accepts: metadata, check rows, and outputs compared with the trainer's own.

``from_sklearn``, ``from_lightgbm``, ``from_torch`` and ``from_stable_baselines3`` take a fitted model;
``export_model`` takes an ONNX graph of any origin. Trading needs none of the libraries that are used here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import onnx

from truebook.decision.strategy import Strategy
from truebook.features.layout import Layout
from truebook.features.plugins import find_layout
from truebook.files import write_atomically
from truebook.models.check_rows import Batch, CheckRows, random_rows
from truebook.models.conversion.lightgbm_models import convert_lightgbm
from truebook.models.conversion.parts import Conversion, ExportTarget
from truebook.models.conversion.selection import Actions
from truebook.models.conversion.sklearn_models import convert_sklearn
from truebook.models.conversion.torch_modules import convert_module, convert_policy
from truebook.models.metadata import ModelMetadata
from truebook.models.session import Model, parse_model
from truebook.models.verification import Trainer, evenly_spaced, verification_rows, verify

__all__ = [
    "Actions", "ExportTarget", "Exported", "Predict", "describe_model", "export_model", "from_lightgbm", "from_sklearn",
    "from_stable_baselines3", "from_torch",
]  # fmt: skip

CHECK_ROWS: Final = 16
_SEED: Final = 1
_MODE: Final = 0o644

Predict = Callable[[Batch], npt.ArrayLike]
"""The trainer's own function: rows [n, features] → outputs [n, outputs]."""


class Exported(NamedTuple):
    """A written file, and how it was compared with its trainer on the ONNX Runtime that is installed here."""

    model: Model
    path: Path
    compared_rows: int
    max_difference: float
    """Between an output of the file and the trainer's; at most the tolerance of ``check_rows``."""
    other_actions: int
    """``action_logits``: compared rows whose highest score is another action's, by rounding, of two that are as good as
    equal."""


def from_sklearn(fitted: Any, target: ExportTarget, *, yes: Any = None, actions: Actions | None = None) -> Exported:
    """Write a fitted scikit-learn classifier, regressor or pipeline; needs the extra ``convert``.

    ``yes``: the class that means YES (``yes_probability``; 1 where the classes are 0 and 1). ``actions``: class →
    action id (``action_logits``); an action without a class is never chosen. A regressor's values are taken as they
    are, and clipped to 0..1 for ``yes_probability``.

    Raises ``NotConvertible`` and ``MissingLibrary``, ``ModelRefused`` (``OutputsDiffer`` among them) and OSError; no
    file is written then, and an older one is kept.
    """
    return _export(convert_sklearn(fitted, target, yes, actions), target)


def from_lightgbm(fitted: Any, target: ExportTarget, *, yes: Any = None, actions: Actions | None = None) -> Exported:
    """Write a fitted ``LGBMClassifier``, ``LGBMRegressor`` or ``Booster``; arguments and errors as ``from_sklearn``.

    A ``Booster`` has no class labels: they are 0 and 1, or 0..n-1.
    """
    return _export(convert_lightgbm(fitted, target, yes, actions), target)


def from_torch(module: Any, target: ExportTarget) -> Exported:
    """Write a PyTorch module, float32 [n, features] → [n, outputs]; needs the extra ``train``.

    Errors as ``from_sklearn``. For ``yes_probability`` it must return probabilities, so it ends with a sigmoid.
    """
    return _export(convert_module(module, target), target)


def from_stable_baselines3(algorithm: Any, target: ExportTarget) -> Exported:
    """Write the policy of a Stable-Baselines3 algorithm with discrete actions, such as PPO, A2C or DQN.

    Needs and errors as ``from_torch``. The normalisation of its ``VecNormalize`` is written into the file.
    """
    return _export(convert_policy(algorithm, target), target)


def describe_model(
    model: Any,
    metadata: ModelMetadata,
    predict: Predict | None,
    layouts: Callable[[str], Layout] = find_layout,
) -> Any:
    """Write the metadata into an ONNX model and return it.

    ``predict`` computes the outputs of the check rows **without** the ONNX file; None writes no check rows, and then no
    load can notice a converter or runtime that computes something else.
    """
    if predict is not None:
        inputs = random_rows(layouts(metadata.layout), CHECK_ROWS, _SEED)
        outputs = np.asarray(predict(inputs), np.float64).reshape(len(inputs), -1)
        metadata = _with_check_rows(metadata, inputs, outputs)
    onnx.helper.set_model_props(model, metadata.to_properties())
    return model


def export_model(
    model: Any,
    metadata: ModelMetadata,
    path: Path,
    predict: Predict | None,
    layouts: Callable[[str], Layout] = find_layout,
) -> Model:
    """Write an ONNX model with its metadata and check rows to ``path``, once it passes the checks of the load.

    ``predict`` as in ``describe_model``. Raises ``ModelRefused`` and then writes nothing.
    """
    content, checked = _checked(describe_model(model, metadata, predict, layouts), path, layouts)
    write_atomically(path, content, mode=_MODE)
    return checked


def _export(conversion: Conversion, target: ExportTarget) -> Exported:
    """Verify a converted model, store some of the compared rows in it, and write it."""
    inputs = verification_rows(target.layout, target.samples)
    expected = conversion.predict(inputs)
    terms = {field: getattr(target.strategy, field) for field in Strategy.__struct_fields__}
    metadata = ModelMetadata(
        name=target.name or target.path.stem,
        layout=target.layout.name,
        layout_hash=target.layout.hash,
        trained=target.trained or conversion.trainer,
        **terms,
    )

    def layouts(_name: str) -> Layout:
        return target.layout

    _, model = _checked(describe_model(conversion.graph, metadata, None), target.path, layouts)
    trainer = Trainer(conversion.trainer, conversion.advice)
    comparison = verify(model, inputs, expected, trainer, str(target.path))
    stored = evenly_spaced(len(inputs), CHECK_ROWS)
    metadata = _with_check_rows(metadata, inputs[stored], expected[stored])
    content, model = _checked(describe_model(conversion.graph, metadata, None), target.path, layouts)
    write_atomically(target.path, content, mode=_MODE)
    return Exported(model, target.path, *comparison)


def _checked(model: Any, path: Path, layouts: Callable[[str], Layout]) -> tuple[bytes, Model]:
    """Return a model's bytes, once they pass the checks of the load; raises ``ModelRefused``."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content, parse_model(content, str(path), stem=path.stem, layouts=layouts)


def _with_check_rows(metadata: ModelMetadata, inputs: Batch, outputs: npt.NDArray[np.float64]) -> ModelMetadata:
    rows = CheckRows(inputs=_tuples(inputs), outputs=_tuples(outputs))
    return msgspec.structs.replace(metadata, check_rows=rows)


def _tuples(rows: npt.NDArray[np.floating]) -> tuple[tuple[float, ...], ...]:
    """Return rows as the shortest decimals that give the same numbers."""
    return tuple(tuple(float(str(value)) for value in row) for row in rows)
