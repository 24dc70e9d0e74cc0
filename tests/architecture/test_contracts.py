"""The import contracts of ``.importlinter`` refuse what they should: a violation planted in a copy is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from source_tree import ROOT, SOURCES


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product and its contracts."""
    copy = tmp_path_factory.mktemp("contracts")
    shutil.copy(ROOT / ".importlinter", copy)
    for folder in SOURCES:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "*.onnx", "*.lua"))
    return copy


def lint(tree: Path) -> tuple[int, str]:
    """Run ``lint-imports`` on a copy."""
    paths = os.pathsep.join(str(tree / folder) for folder in SOURCES)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=tree, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_the_contracts_hold(tree: Path) -> None:
    code, text = lint(tree)
    assert code == 0, text


@pytest.mark.parametrize(
    ("file", "statement", "contract"),
    [
        ("libs/truebook/ledger/journal/file.py", "import truebook_services.execution.settings", "import order"),
        ("libs/truebook/book/order_book.py", "import truebook.runtime.settings", "Library"),
        ("libs/truebook/book/order_book.py", "import asyncio", "The core takes values"),
        ("services/truebook_services/policy/service.py", "import truebook_services.execution.settings", "Services"),
        ("services/truebook_services/execution/service.py", "import redis", "ports"),
        ("libs/truebook/money.py", "import pytest", "tests"),
        ("libs/truebook/unplaced/__init__.py", '"""A package without a layer."""', "Library"),
        ("services/truebook_services/unplaced/__init__.py", '"""A package without a layer."""', "Services"),
    ],
)
def test_a_planted_violation_is_refused(tree: Path, file: str, statement: str, contract: str) -> None:
    path = tree / file
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before or ''}\n{statement}\n", encoding="utf-8")
    try:
        code, text = lint(tree)
    finally:
        if before is None:
            shutil.rmtree(path.parent)
        else:
            path.write_text(before, encoding="utf-8")
    assert code != 0
    assert contract in text.rpartition("Broken contracts")[2], text
