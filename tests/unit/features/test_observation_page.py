"""The page docs/observation.md describes every feature as the code does, and its example works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from support.observations import feature_inputs
from truebook.features.layout import layout

PAGE = (Path(__file__).parents[3] / "docs" / "observation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["m1", "c52"])
def test_the_page_has_one_row_for_each_feature_in_its_order(name: str) -> None:
    section = PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0].split("\n### ")[0]
    rows = [line for line in section.splitlines() if re.match(r"\| \d+ \|", line)]
    expected = [
        f"| {index} | `{each.name}` | {each.low:g}..{each.high:g} | {each.about.replace('|', chr(92) + '|')} |"
        for index, each in enumerate(layout(name).features)
    ]
    assert rows == expected


def test_the_example_of_own_features_works() -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(code) == 1
    made: dict[str, Any] = {}
    exec(compile(code[0], "observation.md", "exec", dont_inherit=True), made)
    mine = made["LAYOUT"]
    assert mine.signals == ("poll",)
    assert mine.compute(feature_inputs(signals={"poll": 0.25}))[-2:] == (0.0, 0.25)
