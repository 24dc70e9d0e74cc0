"""The pages of docs/reference are what the code generates, and describe everything."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from truebook.runtime.renamed_settings import RENAMED

ROOT = Path(__file__).parents[2]


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("reference_pages", ROOT / "deploy/reference.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = script  # its NamedTuple looks up its own module
    spec.loader.exec_module(script)
    return script


REFERENCE = generator()
VARIABLE = re.compile(r"\bTRUEBOOK_(?!TEST_|BENCH_|CAPTURES|SETTINGS_FILE|IMAGE|OTHER_PYTHON)[A-Z][A-Z_]*[A-Z]\b")
"""A variable that should be a setting: not one of tests, images or the settings file."""


@pytest.mark.parametrize("name", sorted(REFERENCE.PAGES))
def test_the_committed_page_is_what_the_code_generates(name: str) -> None:
    page = (ROOT / f"docs/reference/{name}.md").read_text(encoding="utf-8")
    assert page == REFERENCE.PAGES[name](), "run `make reference`"


def test_each_setting_is_described() -> None:
    assert [setting.name for setting in REFERENCE.all_settings() if not setting.description] == []


def test_each_parameter_of_each_command_is_described() -> None:
    assert [(each.command, each.name) for each in REFERENCE.parameters() if not each.info.help] == []


def test_each_renamed_setting_leads_to_an_existing_one() -> None:
    existing = {setting.name for setting in REFERENCE.all_settings()}
    assert {new for new in RENAMED.values() if new not in existing} == set()
    assert {old for old in RENAMED if old in existing} == set()


def test_each_variable_of_deployments_and_pages_is_a_setting() -> None:
    variables = {f"TRUEBOOK_{setting.name.upper().replace('.', '__')}" for setting in REFERENCE.all_settings()}
    files = [ROOT / "README.md", ROOT / "docker-compose.yml", ROOT / ".env.example", *(ROOT / "docs").rglob("*.md")]
    files += [path for path in (ROOT / "deploy").rglob("*") if path.suffix in (".yaml", ".yml", ".env", ".md")]
    named = {(path.name, found) for path in files for found in VARIABLE.findall(path.read_text(encoding="utf-8"))}
    assert {(where, name) for where, name in named if name not in variables} == set()
