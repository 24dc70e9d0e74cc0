"""Files and folders that the pages name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from source_tree import ROOT

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder, pattern in ((ROOT, "*.md"), (ROOT / "docs", "**/*.md"), (ROOT / "examples", "*.md"))
    for path in folder.glob(pattern)
    if path.name != "CHANGELOG.md"
)
NAMED = re.compile(r"`((?:bench|ci|deploy|docs|examples|libs|services|tests)/[\w./-]*)`")
LINKED = re.compile(r"\]\(([\w./-]+)(?:#[\w-]*)?\)")


@pytest.mark.parametrize("page", PAGES)
def test_named_paths_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = [name for name in NAMED.findall(text) if not (ROOT / name).exists()]
    services = ROOT / "services" / "truebook_services"  # some pages leave out the package's name
    assert [name for name in missing if not (services / name.removeprefix("services/")).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_linked_files_exist(page: str) -> None:
    folder = (ROOT / page).parent
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [name for name in LINKED.findall(text) if not Path(folder / name).exists()] == []
