"""Compare a model's outputs, on the ONNX Runtime that will trade, with those of the library that trained it.

On more rows than a file stores, alone and in batches, twice. An error names the row, both values and what to do.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime

from truebook.decision.strategy import Output
from truebook.features.layout import Layout
from truebook.models.check_rows import ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE, Batch, is_close, random_rows
from truebook.models.errors import ModelFailed, ModelRefused, NotConvertible, OutputsDiffer
from truebook.models.session import Model

GENERATED_ROWS: Final = 384
MAX_SAMPLES: Final = 4_096
"""Of more samples, evenly spaced ones are compared."""
_SEED: Final = 11
_ZERO_SHARE: Final = 0.3
_BATCH: Final = 7
"""No divisor of the number of rows: the last batch is smaller."""
_MAX_ALONE: Final = 128


class Comparison(NamedTuple):
    """How far a file's outputs are from the trainer's."""

    rows: int
    max_difference: float
    other_actions: int
    """Rows whose highest score is another action's, by rounding, where the trainer's are as good as equal."""


class Trainer(NamedTuple):
    """The library that computed the expected outputs, and what to do where the file's differ."""

    name: str
    advice: str


def verification_rows(layout: Layout, samples: npt.ArrayLike | None) -> Batch:
    """Return the samples, then generated rows: zeros, random ones, and random ones with many zeros.

    A zero is a value of its own for some tree libraries. Raises ``NotConvertible`` for samples that no market can have.
    """
    drawn = random_rows(layout, GENERATED_ROWS, _SEED)
    zeroed = np.random.default_rng(_SEED).random(drawn.shape) < _ZERO_SHARE
    zeroed[: GENERATED_ROWS // 2] = False
    zeroed[0] = True
    holds_zero = np.array([each.low <= 0 <= each.high for each in layout.features])
    drawn[zeroed & holds_zero] = 0.0
    if samples is None:
        return drawn
    given = np.asarray(samples, np.float32)
    if given.ndim != 2 or given.shape[1] != len(layout):
        what = f"samples have shape {given.shape}"
        raise NotConvertible(f"{what}, expected [rows, {len(layout)}]: all features of layout {layout.name}")
    wrong = np.flatnonzero(~np.isfinite(given).all(axis=1))
    if len(wrong):
        what = f"row {wrong[0]} of samples has a feature that is missing or infinite"
        raise NotConvertible(f"{what}: live features never are; leave such rows out")
    return np.concatenate([given[evenly_spaced(len(given), MAX_SAMPLES)], drawn])


def evenly_spaced(count: int, wanted: int) -> npt.NDArray[np.int64]:
    """Return at most ``wanted`` of the places 0..count-1, first and last included."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, wanted)).round().astype(np.int64))


def verify(model: Model, inputs: Batch, expected: npt.NDArray[np.float64], trainer: Trainer, file: str) -> Comparison:
    """Compare; raises ``OutputsDiffer``, or ``ModelRefused`` for a model that fails, is random or mixes rows."""
    _refuse_bad_outputs(expected, model, trainer)
    alone_at = evenly_spaced(len(inputs), _MAX_ALONE)
    try:
        found = model.run(inputs)
        again = model.run(inputs)
        batches = np.concatenate([model.run(inputs[at : at + _BATCH]) for at in range(0, len(inputs), _BATCH)])
        alone = np.concatenate([model.run(inputs[at : at + 1]) for at in alone_at])
    except ModelFailed as error:
        raise ModelRefused(file, [f"a test run fails: {error}. {trainer.advice}"]) from error
    runtime = f"ONNX Runtime {onnxruntime.__version__}"
    _refuse_differing(_Pair(trainer.name, expected, runtime, found), inputs, trainer.advice, file)
    if not np.array_equal(found, again):
        raise ModelRefused(file, ["its output is random: the same rows give other numbers; export it for inference"])
    hint = "remove what reduces or normalises over the first dimension, or use another version of ONNX Runtime"
    for what, part, at in (("alone", alone, alone_at), (f"in batches of {_BATCH}", batches, slice(None))):
        pair = _Pair(f"{runtime} with all rows in one batch", found[at].astype(np.float64), f"{runtime} {what}", part)
        _refuse_differing(pair, inputs[at], hint, file)
    other = found.argmax(axis=1) != expected.argmax(axis=1)
    return Comparison(len(inputs), float(np.abs(found - expected).max()), int(other.sum()))


class _Pair(NamedTuple):
    """Two sources of the same outputs [n, outputs]."""

    first: str
    expected: npt.NDArray[np.float64]
    second: str
    found: Batch


def _refuse_differing(pair: _Pair, inputs: Batch, advice: str, file: str) -> None:
    close = is_close(pair.found, pair.expected)
    if close.all():
        return
    excess = np.abs(pair.found - pair.expected) * ~close
    row, column = np.unravel_index(int(excess.argmax()), excess.shape)
    expected, found = float(pair.expected[row, column]), float(pair.found[row, column])
    allowed = ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * abs(expected)
    count = int((~close.all(axis=1)).sum())
    place = f"row {row}" if pair.found.shape[1] == 1 else f"row {row}, output {column}"
    problem = (
        f"{count} of {len(inputs)} compared rows differ, most of all {place}: {pair.first} returns {expected:.6f}, "
        f"{pair.second} {found:.6f}; allowed is a difference of {allowed:.6f}. {advice}"
    )
    given = tuple(float(value) for value in inputs[row])
    raise OutputsDiffer(file, problem, inputs=given, expected=expected, found=found)


def _refuse_bad_outputs(expected: npt.NDArray[np.float64], model: Model, trainer: Trainer) -> None:
    """Refuse outputs of the trainer itself that cannot be traded."""
    good = np.isfinite(expected).all(axis=1)
    what = "a number that is not finite"
    if model.metadata.output is Output.YES_PROBABILITY and good.all():
        good = ((expected >= 0) & (expected <= 1)).all(axis=1)
        what = "no probability in 0..1: end the network with a sigmoid"
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise NotConvertible(f"for row {row} of the compared rows {trainer.name} returns {expected[row]}, {what}")
