"""The repository's words follow ``docs/glossary.md``: its tables of checked words, phrases and prefixes, and its forms.

Run ``python tests/architecture/test_glossary.py [PATH ...]`` for the list of places.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
CHECKED_SUFFIXES = {".py", ".lua", ".md", ".toml", ".yml", ".yaml", ".sh", ".cfg"}
CHECKED_NAMES = {"Makefile", "Dockerfile", "run"}
EXEMPT = (
    "docs/glossary.md",
    "CHANGELOG.md",
    "libs/truebook/runtime/renamed_settings.py",
    "LICENSE",
    "requirements/",
    "findings/",
    "mkdocs.yml",  # names options of other programs
    "tests/architecture/test_glossary.py",
    "tests/support/ledger_cases.py",  # reads case files in their published JSON form
)
"""Pages that must quote the old words, and texts that are not ours."""
MAX_TEST_NAME = 60
MAX_TEST_WORDS = 10
MAX_SUBJECT = 72
CHECKED_SINCE = "e87db8b8abb61c57aca79a10167e03f7fd168b41"
"""Commits after this one keep the form of a subject."""
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def table(section: str) -> dict[str, str]:
    """Read one table of the glossary: each term of its first column -> what to write instead."""
    text = GLOSSARY.read_text(encoding="utf-8").split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return {term.strip(): row[1].strip() for row in rows[2:] for term in row[0].split(",")}


@cache
def checked() -> tuple[dict[str, str], re.Pattern[str], dict[str, str], dict[str, str]]:
    words, phrases, prefixes = (table(f"Checked {what}") for what in ("words", "phrases", "identifier prefixes"))
    pattern = re.compile(r"\b(" + "|".join(re.sub(r" ", r"\\s+", phrase) for phrase in phrases) + r")\b", re.IGNORECASE)
    return words, pattern, phrases, prefixes


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [
        name
        for name in listed.splitlines()
        if (Path(name).suffix in CHECKED_SUFFIXES or Path(name).name in CHECKED_NAMES)
        and not name.startswith(EXEMPT)
        and (ROOT / name).is_file()
    ]


def findings(name: str, text: str) -> Iterator[str]:
    """List the places of one file that the glossary refuses, each with what to write instead."""
    words, pattern, phrases, prefixes = checked()
    for number, line in enumerate(text.splitlines(), start=1):
        for word in WORD.findall(line):
            if word.lower() in words:
                yield f"{name}:{number}: {word}: write {words[word.lower()]}"
        for identifier in IDENTIFIER.findall(line):
            bare = identifier.lower().lstrip("_")
            for prefix, instead in prefixes.items():
                if bare.startswith(prefix) and bare != prefix.rstrip("_"):
                    yield f"{name}:{number}: {identifier}: write {instead}"
        for phrase in pattern.findall(line):
            yield f"{name}:{number}: {phrase}: write {phrases[' '.join(phrase.lower().split())]}"


def all_findings(paths: list[str]) -> list[str]:
    found: list[str] = []
    for name in tracked():
        if not paths or any(name.startswith(path) for path in paths):
            found += findings(name, name) if not name.startswith("tests/known_bugs/F") else []
            found += findings(name, (ROOT / name).read_text(encoding="utf-8"))
    return found


def long_test_names(paths: list[str]) -> list[str]:
    found: list[str] = []
    for name in tracked():
        if name.startswith("tests/") and name.endswith(".py") and (not paths or any(map(name.startswith, paths))):
            tests = re.findall(
                r"^\s*(?:async )?def test_(\w+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE
            )
            found += [
                f"{name}: test_{test}"
                for test in tests
                if len(test) > MAX_TEST_NAME and test.count("_") >= MAX_TEST_WORDS
            ]
    return found


def test_no_checked_word_is_used() -> None:
    assert all_findings([]) == []


def test_test_names_are_short() -> None:
    assert long_test_names([]) == []


def test_commit_subjects_are_short() -> None:
    log = subprocess.run(
        ["git", "log", "--no-merges", "--format=%s", f"{CHECKED_SINCE}..HEAD"], cwd=ROOT, capture_output=True, text=True
    )  # fmt: skip
    if log.returncode != 0:
        pytest.skip(f"the history does not reach back to {CHECKED_SINCE[:7]}")
    assert [subject for subject in log.stdout.splitlines() if len(subject) > MAX_SUBJECT] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def tell_fills() -> None: ...", 1), ("class BadAnswer(Exception): ...", 1), ("MOST_LINES = 3", 1),
        ("a lease ends by itself", 1), ("asks, asked", 1), ("an ask and the asks of a book, at most 3", 0),
    ],
)  # fmt: skip
def test_the_check_finds_words_in_names_and_prose(text: str, found: int) -> None:
    assert len(list(findings("sample.py", text))) == found


if __name__ == "__main__":
    places = all_findings(sys.argv[1:]) + long_test_names(sys.argv[1:])
    print("\n".join(places))
    print(f"{len(places)} places")
    sys.exit(1 if places else 0)
