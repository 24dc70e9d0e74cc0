"""What the load finds by running a model or reading its bytes: weights elsewhere, randomness, another function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.onnx_files import M1, metadata, onnx_bytes, parsed_model
from truebook.decision.strategy import Output
from truebook.models.check_rows import CheckRows
from truebook.models.errors import ModelRefused
from truebook.models.export import export_model
from truebook.models.external_weights import external_weights
from truebook.models.session import load_model, parse_model

SUM = "{ ones = Constant<value = float[1,5] {1,1,1,1,1}>() axes = Constant<value_ints = [1]>() "
SUM += "total = ReduceSum(features, axes) scores = Mul(total, ones) }"


def load(content: bytes) -> None:
    parse_model(content, "some.onnx", stem="some")


def external(tmp_path: Path, value: float = 1.0) -> Path:
    model = onnx.load_from_string(onnx_bytes(weight=value))
    path = tmp_path / "external.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def test_external_weights_are_refused_even_if_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = external(tmp_path)
    monkeypatch.chdir(tmp_path)  # where ONNX Runtime looks for them
    with pytest.raises(ModelRefused, match=r"2 of its tensors are in other files \(weights, bias\).*one file"):
        load_model(path)


def in_a_branch(model: Any) -> None:
    tensor = onnx.numpy_helper.from_array(np.ones(5, np.float32), "inner")
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    branch = onnx.helper.make_graph([], "branch", [], [onnx.ValueInfoProto(name="inner")], [tensor])
    model.graph.node.append(onnx.helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))


def in_a_constant(model: Any) -> None:
    tensor = onnx.numpy_helper.from_array(np.ones(5, np.float32), "inner")
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["c"], value=tensor))


def in_a_function(model: Any) -> None:
    in_a_constant(model)
    node = model.graph.node.pop()
    model.functions.append(onnx.helper.make_function("own", "f", [], ["c"], [node], []))


def in_a_sparse_tensor(model: Any) -> None:
    tensor = onnx.numpy_helper.from_array(np.ones(5, np.float32), "inner")
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    model.graph.sparse_initializer.append(onnx.SparseTensorProto(values=tensor))


@pytest.mark.parametrize("place", [in_a_branch, in_a_constant, in_a_function, in_a_sparse_tensor])
def test_external_weights_are_found_wherever_a_tensor_may_be(place: Callable[[Any], None]) -> None:
    model = onnx.load_from_string(onnx_bytes())
    assert external_weights(model.SerializeToString()) == []
    place(model)
    assert set(external_weights(model.SerializeToString())) == {"inner"}


@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_bytes_are_read_or_refused(content: bytes, cut: int) -> None:
    for each in (content, onnx_bytes()[:cut], onnx_bytes()[:cut] + content):
        try:
            external_weights(each)
        except ValueError:
            continue


@pytest.mark.parametrize("text", [b"truebook.name", b"features"])
def test_text_that_is_not_utf8_is_one_clear_line(text: bytes) -> None:
    with pytest.raises(ModelRefused, match=r"not UTF-8.*write them as UTF-8") as refused:
        load(onnx_bytes().replace(text, text[:-1] + b"\xff"))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("random", ["RandomUniformLike", "RandomNormalLike<seed = 1.0>"])
def test_a_random_model_is_refused(random: str) -> None:
    graph = SUM.replace("scores =", "clean =").removesuffix("}")
    model = parsed_model(f"{graph} noise = {random}(clean) scores = Add(clean, noise) }}")
    with pytest.raises(ModelRefused, match=r"its output is random.*eval mode"):
        load(model.SerializeToString())


def test_a_model_that_depends_on_its_neighbours_is_refused() -> None:
    graph = SUM.replace("scores =", "clean =").removesuffix("}")
    model = parsed_model(f"{graph} mean = ReduceMean<axes = [0]>(clean) scores = Sub(clean, mean) }}")
    with pytest.raises(ModelRefused, match=r"depends on the other rows of its batch.*first dimension"):
        load(model.SerializeToString())


def scores(rows: Any) -> Any:
    return np.repeat(np.asarray(rows, np.float64).sum(axis=1, keepdims=True), 5, axis=1)


def test_exported_check_rows_pass_and_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "sum.onnx"
    export_model(parsed_model(SUM), metadata(), path, scores)
    loaded = load_model(path).metadata.check_rows
    assert loaded is not None
    assert (len(loaded.inputs), len(loaded.inputs[0]), len(loaded.outputs[0])) == (16, len(M1), 5)


def test_a_file_that_computes_another_function_is_not_written(tmp_path: Path) -> None:
    def swapped(rows: Any) -> Any:
        return np.vstack([scores(rows)[:10], scores(rows)[10:] + 0.05])

    with pytest.raises(ModelRefused, match=r"6 of 16 check rows .*\(rows \[10, 11, 12, 13, 14\]\).*ONNX Runtime"):
        export_model(parsed_model(SUM), metadata(), tmp_path / "sum.onnx", swapped)
    assert not list(tmp_path.iterdir())


def test_raw_scores_within_0_and_1_are_refused(tmp_path: Path) -> None:
    """A range check sees nothing wrong in them: only the trainer's outputs show it."""
    content = onnx_bytes(metadata(output=Output.YES_PROBABILITY).to_properties(), outputs=1, weight=0.01, bias=0.5)
    load(content)

    def probability(rows: Any) -> Any:
        return 1 / (1 + np.exp(-(np.asarray(rows).sum(axis=1) * 0.01 + 0.5)))

    with pytest.raises(ModelRefused, match="16 of 16 check rows"):
        export_model(
            onnx.load_from_string(content), metadata(output=Output.YES_PROBABILITY), tmp_path / "raw.onnx", probability
        )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("{", "truebook.check_rows is malformed"),
        ('{"inputs": [], "outputs": []}', "expected 1..256 inputs"),
        ('{"inputs": [[1.0]], "outputs": [[1.0]]}', "each input must have 24 numbers, each output 5"),
        ('{"inputs": [[1.0], [2.0]], "outputs": [[1.0]]}', "found 2 inputs and 1 outputs"),
    ],
)
def test_malformed_check_rows_are_refused(rows: str, message: str) -> None:
    with pytest.raises(ModelRefused, match=message):
        load(onnx_bytes(metadata().to_properties() | {"truebook.check_rows": rows}))


def test_a_check_row_that_is_not_finite_is_refused() -> None:
    rows = CheckRows(inputs=((1e39,) * len(M1),), outputs=((0.0,) * 5,))
    with pytest.raises(ModelRefused, match="a test run with the check rows fails"):
        load(onnx_bytes(msgspec.structs.replace(metadata(), check_rows=rows).to_properties()))
