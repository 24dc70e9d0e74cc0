"""The page docs/models.md: its example writes a model that loads, and its table names every key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from support.onnx_files import metadata
from truebook.models.check_rows import CheckRows
from truebook.models.session import load_model

PAGE = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")


def test_the_example_writes_a_model_that_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(code) == 1
    monkeypatch.chdir(tmp_path)
    made: dict[str, Any] = {}
    exec(compile(code[0], "models.md", "exec", dont_inherit=True), made)
    assert load_model(tmp_path / "micro.onnx").metadata.name == "micro"


def test_the_table_of_keys_is_complete() -> None:
    rows = CheckRows(inputs=((1.0,),), outputs=((1.0,),))
    keys = set(re.findall(r"^\| `(truebook\.\w+)` \|", PAGE, re.MULTILINE))
    assert keys == set(metadata(max_position_centi=1, take_edge_cc=1, trained="x", check_rows=rows).to_properties())
