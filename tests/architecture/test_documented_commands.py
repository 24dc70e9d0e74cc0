"""Each `truebook` command in the pages exists, with the options that it is shown with."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from source_tree import ROOT
from test_pages import PAGES

from truebook_services.cli.__main__ import app
from truebook_services.cli.command_table import COMMANDS as TABLE
from truebook_services.cli.lazy_group import load_command

BLOCK = re.compile(r"^```(?:sh|bash)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`truebook ([^`\n]+)`")
COMMANDS: Any = typer.main.get_command(app)
COMMANDS.commands.update({name: load_command(name, entry) for name, entry in TABLE.items()})


def shown(text: str) -> Iterator[list[str]]:
    """Yield the words after `truebook` of each command in a page's blocks and text."""
    lines = [line for block in BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    for line in [*lines, *(f"truebook {command}" for command in INLINE.findall(text))]:
        words = _split(line)
        for index, word in enumerate(words):
            is_namespace = words[index - 1 : index] in (["-n"], ["namespace"])
            if word in ("truebook", ".venv/bin/truebook") and not is_namespace:
                yield words[index + 1 :]
                break


def _split(line: str) -> list[str]:
    line = re.sub(r"[\[\]]", " ", line.partition("  #")[0])  # optional parts
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return []


def problem(words: list[str]) -> str | None:
    """Return what the command line does not have."""
    command: Any = COMMANDS
    words = list(words)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name = words.pop(0)
        if not re.fullmatch(r"[a-z][a-z-]*", name):
            return None  # a placeholder or punctuation
        if name not in command.commands:
            return f"no command {name}"
        command = command.commands[name]
    options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
    for word in words:
        if word in ("--", "·", "&", "|", ";", "&&") or word.endswith(";"):
            break
        if word.startswith("--") and word.partition("=")[0] not in options:
            return f"{command.name} has no option {word}"
    return None


@pytest.mark.parametrize("page", PAGES)
def test_shown_commands_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [(" ".join(words), why) for words in shown(text) if (why := problem(words)) is not None]
    assert found == []


def test_a_missing_option_is_found() -> None:
    assert problem(["run", "--capture", "x"]) is None
    assert problem(["run", "--captured", "x"]) == "run has no option --captured"
    assert problem(["models", "no-such"]) == "no command no-such"
