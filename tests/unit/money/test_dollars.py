"""Amounts for people have one rule, wherever they are formatted."""

from __future__ import annotations

import json
import shutil
import subprocess
from decimal import ROUND_HALF_UP, Decimal
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.backtest.report import numbers
from truebook.money import MAX_AMOUNT, format_dollars
from truebook_services.cli import amounts

EXAMPLES = {
    0: "$0.00",
    4_999: "$0.00",
    -4_999: "$0.00",
    5_000: "$0.01",
    -5_000: "-$0.01",
    14_999: "$0.01",
    15_000: "$0.02",
    25_000: "$0.03",
    999_995_000: "$1,000.00",
    -999_994_999: "-$999.99",
    -1_234_567_890: "-$1,234.57",
    12_345_678_905_000: "$12,345,678.91",
    MAX_AMOUNT: "$9,007,199,254.74",
}


@pytest.mark.parametrize(("micros", "expected"), EXAMPLES.items())
def test_half_a_cent_is_rounded_away_from_zero(micros: int, expected: str) -> None:
    assert format_dollars(micros) == amounts.dollars(micros) == expected
    assert numbers.dollars(micros) == expected.replace("-", numbers.MINUS)


@given(st.integers(-MAX_AMOUNT, MAX_AMOUNT))
def test_the_text_is_the_rounded_decimal(micros: int) -> None:
    rounded = Decimal(micros).scaleb(-6).quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert Decimal(format_dollars(micros).replace("$", "").replace(",", "")) == rounded


def test_whole_dollars_are_rounded_alike() -> None:
    assert numbers.whole_dollars(2_000_500_000) == "$2,001"
    assert numbers.whole_dollars(-2_000_500_000) == f"{numbers.MINUS}$2,001"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node, to run the page's function")
def test_the_page_has_the_same_rule(tmp_path: Path) -> None:
    source = files("truebook_services.dashboard").joinpath("static/format.js").read_text()
    script = tmp_path / "format.mjs"
    script.write_text(f"{source}\nconsole.log(JSON.stringify({json.dumps(list(EXAMPLES))}.map(dollars)));\n")
    printed = subprocess.run(["node", script], capture_output=True, check=True, text=True, timeout=30).stdout
    assert json.loads(printed) == list(EXAMPLES.values())
