"""Loads an ONNX file, checks that it is what it says, and runs it.

Everything that can be known before the first trade is checked at load: that the file is ONNX, its metadata, that its
layout is the one computed here, the types and shapes of input and output, and one probing run of two batch sizes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as _ort

from truebook.decision.strategy import Output
from truebook.features.layout import Layout, UnknownLayout
from truebook.features.plugins import BadPlugin, find_layout
from truebook.models.errors import ModelFailed, ModelRefused
from truebook.models.metadata import ModelMetadata, read_properties

Batch = npt.NDArray[np.float32]
_ORT_ERRORS: Final[tuple[type[Exception], ...]] = (
    _ort.EPFail, _ort.EngineError, _ort.Fail, _ort.InvalidArgument, _ort.InvalidGraph, _ort.InvalidProtobuf,
    _ort.NoModel, _ort.NoSuchFile, _ort.NotImplemented, _ort.RuntimeException,
)  # fmt: skip
_FLOAT: Final = "tensor(float)"
_PROBES: Final = (1, 3)


class Model:
    """A checked model. Made by ``load_model`` or ``model_of_bytes`` only."""

    def __init__(self, session: Any, metadata: ModelMetadata, layout: Layout) -> None:
        self._session = session
        self._input: str = session.get_inputs()[0].name
        self._output: str = session.get_outputs()[0].name
        self.metadata = metadata
        self.layout = layout

    def run(self, batch: Batch) -> Batch:
        """Run rows of features [n, features] → outputs [n, outputs], in one call.

        Raises ``ModelFailed`` where the model fails or gives what can't be used (not finite, no probability): which
        rows is in the message. Raises ``ValueError`` for a batch that is not float32 [n, features].
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
            raise ModelFailed(f"model {self.metadata.name}: output has shape {rows.shape}, {shape} was expected")
        good = np.isfinite(rows)
        if self.metadata.output is Output.YES_PROBABILITY:
            good &= (rows >= 0) & (rows <= 1)
        if not good.all():
            bad = np.flatnonzero(~good.all(axis=1))[:5].tolist()
            what = "a probability" if self.metadata.output is Output.YES_PROBABILITY else "a finite score"
            raise ModelFailed(
                f"model {self.metadata.name}: rows {bad} of {len(batch)} hold a number that is not {what}"
            )
        return rows


def load_model(path: Path, layouts: Callable[[str], Layout] = find_layout) -> Model:
    """Load and check one file; raises ``ModelRefused`` with all that is wrong, where, and what to do."""
    return model_of_bytes(read_file(path), str(path), stem=path.stem, layouts=layouts)


def read_file(path: Path) -> bytes:
    """Read a model file; raises ``ModelRefused`` where it can't be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelRefused(str(path), [f"the file can't be read: {error.strerror or error}"]) from error


def model_of_bytes(content: bytes, file: str, *, stem: str, layouts: Callable[[str], Layout] = find_layout) -> Model:
    """Check a model that is already in memory; ``file`` is what errors call it."""
    session = _open_session(content, file)
    properties: dict[str, str] = session.get_modelmeta().custom_metadata_map
    metadata = read_properties(properties, file, stem=stem, sha256=hashlib.sha256(content).hexdigest())
    layout = _layout_of(metadata, file, layouts)
    problems = [
        *_port_problems("input", session.get_inputs(), len(layout), f"layout {layout.name}"),
        *_port_problems("output", session.get_outputs(), metadata.outputs, _outputs_meaning(metadata)),
    ]
    if problems:
        raise ModelRefused(file, problems)
    model = Model(session, metadata, layout)
    try:
        for rows in _PROBES:
            model.run(np.zeros((rows, len(layout)), np.float32))
    except ModelFailed as error:
        raise ModelRefused(file, [f"a probing run with zeros fails: {error}"]) from error
    return model


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
        hint = "export it anew, in one file without external data, with an older opset if need be"
        raise ModelRefused(file, [f"{what} ({_first_line(error)}): {hint}"]) from error


def _layout_of(metadata: ModelMetadata, file: str, layouts: Callable[[str], Layout]) -> Layout:
    try:
        layout = layouts(metadata.layout)
    except (UnknownLayout, BadPlugin) as error:
        hint = "install the package that brings it (entry point group truebook.features)"
        raise ModelRefused(file, [f"{error}; {hint}"]) from error
    if layout.hash != metadata.layout_hash:
        what = (
            f"it was made for another version of layout {layout.name}: hash {metadata.layout_hash}, here {layout.hash}"
        )
        raise ModelRefused(file, [f"{what}; train it with this layout, or run the version that it was made with"])
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
