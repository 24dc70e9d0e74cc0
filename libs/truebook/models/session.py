"""Load an ONNX file, check it, and run it.

Everything that can be checked before the first trade is checked at load: the ONNX format, that all weights are inside
the file, the metadata, the hash of the layout, the types and shapes of input and output, the outputs of test runs, and
the trainer's own outputs where the file has check rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as _ort

from truebook.decision.strategy import Output
from truebook.features.layout import Layout, UnknownLayout
from truebook.features.plugins import BadPlugin, find_layout
from truebook.models.check_rows import Batch, is_close, random_rows
from truebook.models.errors import ModelFailed, ModelRefused
from truebook.models.external_weights import external_weights
from truebook.models.metadata import ModelMetadata, read_properties
from truebook.models.pointer import read_file

_ORT_ERRORS: Final[tuple[type[Exception], ...]] = (
    _ort.EPFail, _ort.EngineError, _ort.Fail, _ort.InvalidArgument, _ort.InvalidGraph, _ort.InvalidProtobuf,
    _ort.NoModel, _ort.NoSuchFile, _ort.NotImplemented, _ort.RuntimeException,
)  # fmt: skip
_FLOAT: Final = "tensor(float)"
_ZERO_BATCHES: Final = (1, 3)
_TEST_ROWS: Final = 8
_TEST_SEED: Final = 7


class Model:
    """A checked model; create it with ``load_model`` or ``parse_model`` only."""

    def __init__(self, session: Any, metadata: ModelMetadata, layout: Layout) -> None:
        self._session = session
        self._input: str = session.get_inputs()[0].name
        self._output: str = session.get_outputs()[0].name
        self.metadata = metadata
        self.layout = layout

    @property
    def identity(self) -> tuple[str, str]:
        """The name and the digest that actions have."""
        return self.metadata.name, self.metadata.sha256

    def run(self, batch: Batch) -> Batch:
        """Run rows of features [n, features] → outputs [n, outputs], in one call.

        Raises ``ModelFailed`` if the model fails or an output is not finite or no probability; the message names the
        rows. Raises ``ValueError`` if the batch is not float32 [n, features].
        """
        if batch.dtype != np.float32 or batch.ndim != 2 or batch.shape[1] != len(self.layout):
            raise ValueError(f"a batch is float32 [n, {len(self.layout)}], got {batch.dtype} {batch.shape}")
        if not len(batch):
            return np.empty((0, self.metadata.outputs), np.float32)
        try:
            rows: Batch = self._session.run([self._output], {self._input: batch})[0]
        except _ORT_ERRORS as error:
            raise ModelFailed(f"model {self.metadata.name}: {_first_line(error)}") from error
        if rows.shape != (len(batch), self.metadata.outputs):
            shape = (len(batch), self.metadata.outputs)
            raise ModelFailed(f"model {self.metadata.name}: output has shape {rows.shape}, expected {shape}")
        good = np.isfinite(rows)
        if self.metadata.output is Output.YES_PROBABILITY:
            good &= (rows >= 0) & (rows <= 1)
        if not good.all():
            bad = np.flatnonzero(~good.all(axis=1))[:5].tolist()
            what = "a probability" if self.metadata.output is Output.YES_PROBABILITY else "a finite score"
            raise ModelFailed(
                f"model {self.metadata.name}: rows {bad} of {len(batch)} contain a number that is not {what}"
            )
        return rows


def load_model(path: Path, layouts: Callable[[str], Layout] = find_layout) -> Model:
    """Load and check one file; raises ``ModelRefused`` with every problem, where it is, and what to do."""
    return parse_model(read_file(path), str(path), stem=path.stem, layouts=layouts)


def parse_model(content: bytes, file: str, *, stem: str, layouts: Callable[[str], Layout] = find_layout) -> Model:
    """Check a model in memory; errors name it ``file``."""
    _refuse_external_weights(content, file)
    session = _open_session(content, file)
    try:
        properties: dict[str, str] = session.get_modelmeta().custom_metadata_map
        inputs, outputs = session.get_inputs(), session.get_outputs()
        _ = [port.name for port in (*inputs, *outputs)]  # decoded here
    except UnicodeDecodeError as error:
        what = "its metadata or the names of its inputs and outputs are not UTF-8"
        raise ModelRefused(file, [f"{what} ({error}): write them as UTF-8 text and export the model again"]) from error
    metadata = read_properties(properties, file, stem=stem, sha256=hashlib.sha256(content).hexdigest())
    layout = _layout_of(metadata, file, layouts)
    problems = [
        *_port_problems("input", inputs, len(layout), f"layout {layout.name}"),
        *_port_problems("output", outputs, metadata.outputs, _outputs_meaning(metadata)),
    ]
    if metadata.check_rows is not None:
        problems += metadata.check_rows.problems(len(layout), metadata.outputs)
    if problems:
        raise ModelRefused(file, problems)
    model = Model(session, metadata, layout)
    _check_runs(model, file)
    return model


def _refuse_external_weights(content: bytes, file: str) -> None:
    try:
        names = external_weights(content)
    except ValueError as error:
        raise ModelRefused(file, [f"it is not an ONNX file ({error}): export it again"]) from error
    if names:
        what = f"{len(names)} of its tensors are in other files ({', '.join(names[:5])})"
        raise ModelRefused(
            file, [f"{what}, which could change under the same digest: export it in one file without external data"]
        )


def _check_runs(model: Model, file: str) -> None:
    """Run zeros, random rows and the check rows; raises ``ModelRefused``.

    A model whose output is random, or depends on the other rows of its batch, would decide differently from what its
    trainer measured: all markets of a poll are one batch.
    """
    try:
        for count in _ZERO_BATCHES:
            what = "zeros"
            model.run(np.zeros((count, len(model.layout)), np.float32))
        what = "random rows within the features' ranges"
        rows = random_rows(model.layout, _TEST_ROWS, _TEST_SEED)
        together, again = model.run(rows), model.run(rows)
        alone = np.concatenate([model.run(rows[at : at + 1]) for at in range(len(rows))])
        what = "the check rows"
        check = model.metadata.check_rows
        differing = [] if check is None else check.differing(model.run(check.batch()))
    except ModelFailed as error:
        raise ModelRefused(file, [f"a test run with {what} fails: {error}"]) from error
    problems = []
    if not np.array_equal(together, again):
        problems.append("its output is random: the same rows give other numbers; export it for inference (eval mode)")
    elif not is_close(alone, together).all():
        what = "the output of a row depends on the other rows of its batch"
        problems.append(f"{what}: remove what reduces or normalises over the first dimension")
    if differing:
        assert check is not None
        what = f"{len(differing)} of {len(check.inputs)} check rows give other outputs than the trainer's"
        hint = f"ONNX Runtime {onnxruntime.__version__} or the converter computes another function"
        problems.append(f"{what} (rows {differing[:5]}): {hint}; convert again with other versions")
    if problems:
        raise ModelRefused(file, problems)


def _open_session(content: bytes, file: str) -> Any:
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except _ORT_ERRORS as error:
        what = f"it is not an ONNX file that ONNX Runtime {onnxruntime.__version__} can run"
        hint = "export it again, in one file without external data, with an older opset if needed"
        raise ModelRefused(file, [f"{what} ({_first_line(error)}): {hint}"]) from error


def _layout_of(metadata: ModelMetadata, file: str, layouts: Callable[[str], Layout]) -> Layout:
    try:
        layout = layouts(metadata.layout)
    except (UnknownLayout, BadPlugin) as error:
        hint = "install the package that provides it (entry point group truebook.features)"
        raise ModelRefused(file, [f"{error}; {hint}"]) from error
    if layout.hash != metadata.layout_hash:
        what = (
            f"it was made for another version of layout {layout.name}: hash {metadata.layout_hash}, here {layout.hash}"
        )
        raise ModelRefused(
            file, [f"{what}; train it with this layout, or run the version of Truebook that it was made with"]
        )
    return layout


def _outputs_meaning(metadata: ModelMetadata) -> str:
    if metadata.output is Output.YES_PROBABILITY:
        return "yes_probability"
    return f"action_logits with {len(metadata.sizes_centi)} sizes: 1 + 4 × {len(metadata.sizes_centi)}"


def _port_problems(kind: str, ports: Sequence[Any], width: int, why: str) -> list[str]:
    if len(ports) != 1:
        names = ", ".join(port.name for port in ports)
        return [f"it has {len(ports)} {kind}s ({names}): export it with exactly one {kind}"]
    port = ports[0]
    problems = []
    if port.type != _FLOAT:
        problems.append(f"{kind} {port.name!r} is {port.type}, it must be float32 ({_FLOAT}): cast inside the graph")
    shape = list(port.shape)
    if len(shape) != 2 or shape[1] != width:
        problems.append(f"{kind} {port.name!r} has shape {shape}, it must be [batch, {width}] ({why})")
    elif isinstance(shape[0], int):
        what = f"{kind} {port.name!r} takes batches of {shape[0]} only"
        problems.append(f"{what}: export it with a dynamic first dimension")
    return problems


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
