"""``import truebook`` offers the public packages and the version, and costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import truebook


def test_each_public_name_is_there() -> None:
    assert truebook.money.parse_price_cc("0.5100") == 5_100
    assert [name for name in truebook.__all__ if not getattr(truebook, name)] == []
    assert truebook.__version__.count(".") >= 2
    with pytest.raises(AttributeError, match="nonsense"):
        truebook.nonsense  # noqa: B018


def test_importing_truebook_loads_no_other_package() -> None:
    code = "import sys; before = set(sys.modules); import truebook; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names] == ["truebook"]
