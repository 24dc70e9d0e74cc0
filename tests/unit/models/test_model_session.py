"""Loading and running: every mismatch is refused at load, every unusable output at run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from support.onnx_files import M1, metadata, onnx_bytes
from truebook.decision.strategy import Output
from truebook.features.layout import Layout, UnknownLayout
from truebook.models.errors import ModelFailed, ModelRefused
from truebook.models.session import Model, load_model, parse_model


def loaded(content: bytes) -> Model:
    return parse_model(content, "some.onnx", stem="some")


def batch(rows: int, value: float = 0.5, width: int = len(M1), dtype: Any = np.float32) -> Any:
    return np.full((rows, width), value, dtype)


def test_a_model_runs_a_whole_batch_in_one_call() -> None:
    rows = loaded(onnx_bytes()).run(batch(50))
    assert rows.shape == (50, 5)
    assert rows.dtype == np.float32
    assert np.allclose(rows, 0.5 * len(M1))


def test_an_empty_batch_returns_no_rows() -> None:
    assert loaded(onnx_bytes()).run(batch(0)).shape == (0, 5)


@pytest.mark.parametrize("wrong", [batch(1, width=52), batch(1, dtype=np.float64), batch(1)[0]])
def test_a_batch_of_another_shape_raises_value_error(wrong: Any) -> None:
    with pytest.raises(ValueError, match="float32"):
        loaded(onnx_bytes()).run(wrong)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an ONNX file"),
        (b"PK\x03\x04 a zip of weights", "not an ONNX file"),
        (onnx_bytes({}), "has no metadata"),
        (onnx_bytes(inputs=52), r"input 'features' has shape \['batch', 52\], it must be \[batch, 24\] \(layout m1\)"),
        (onnx_bytes(outputs=21), r"it must be \[batch, 5\] \(action_logits with 1 sizes: 1 \+ 4 × 1\)"),
        (onnx_bytes(kind=TensorProto.DOUBLE), "must be float32"),
        (onnx_bytes(batch=1), "dynamic first dimension"),
        (onnx_bytes(twice=True), "exactly one output"),
        (onnx_bytes(bias=float("nan")), "test run with zeros fails"),
        (onnx_bytes(metadata(layout_hash="0" * 32).to_properties()), "another version of layout m1"),
        (onnx_bytes(metadata(layout="mine").to_properties()), "unknown layout 'mine'.*entry point"),
        (
            onnx_bytes(metadata(output=Output.YES_PROBABILITY).to_properties(), outputs=1, bias=1.5),
            "not a probability",
        ),
    ],
)
def test_an_unusable_file_is_refused_with_the_remedy(content: bytes, message: str) -> None:
    with pytest.raises(ModelRefused, match=message) as refused:
        loaded(content)
    assert refused.value.file == "some.onnx"


def test_problems_of_input_and_output_are_reported_together() -> None:
    with pytest.raises(ModelRefused) as refused:
        loaded(onnx_bytes(inputs=52, outputs=21))
    assert len(refused.value.problems) == 2


def test_a_model_of_an_installed_layout_runs() -> None:
    mine = Layout("mine", M1.features[:7])

    def layouts(name: str) -> Layout:
        if name != "mine":
            raise UnknownLayout(name, ["mine"])
        return mine

    content = onnx_bytes(metadata(layout="mine", layout_hash=mine.hash).to_properties(), inputs=7)
    model = parse_model(content, "x", stem="x", layouts=layouts)
    assert model.run(batch(2, width=7)).shape == (2, 5)


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_non_finite_output_fails_and_names_the_rows(value: float) -> None:
    rows = batch(4)
    rows[2] = value
    with pytest.raises(ModelFailed, match=r"rows \[2\] of 4"):
        loaded(onnx_bytes()).run(rows)


def test_a_probability_outside_its_range_fails() -> None:
    content = onnx_bytes(metadata(output=Output.YES_PROBABILITY).to_properties(), outputs=1, weight=0.01, bias=0.5)
    model = loaded(content)
    assert model.run(batch(1)).shape == (1, 1)
    with pytest.raises(ModelFailed, match="not a probability"):
        model.run(batch(1, value=100.0))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="cannot be read"):
        load_model(tmp_path / "missing.onnx")


def test_a_model_without_a_name_is_named_by_its_file(tmp_path: Path) -> None:
    properties = metadata().to_properties()
    del properties["truebook.name"]
    path = tmp_path / "mine.onnx"
    path.write_bytes(onnx_bytes(properties))
    assert load_model(path).metadata.name == "mine"
