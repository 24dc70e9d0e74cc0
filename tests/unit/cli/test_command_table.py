"""The table of commands: it has the help of the commands themselves, and names every one that a module defines."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from truebook_services.cli.__main__ import app
from truebook_services.cli.command_table import COMMANDS, Entry
from truebook_services.cli.lazy_group import load_command


def own_help(entry: Entry) -> str | None:
    found = entry.load()
    if not isinstance(found, typer.Typer):
        return inspect.getdoc(found)
    if isinstance(found.info.help, str):
        return found.info.help
    assert found.registered_callback is not None
    return inspect.getdoc(found.registered_callback.callback)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_help_is_that_of_the_command(name: str) -> None:
    assert own_help(COMMANDS[name]) == COMMANDS[name].help
    assert load_command(name, COMMANDS[name]).name == name


def test_the_list_of_commands_has_each_of_them() -> None:
    group: Any = typer.main.get_command(app)
    assert list(group.commands) == list(COMMANDS)
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for name, entry in COMMANDS.items():
        assert f" {name} " in shown.stdout
        assert entry.help in shown.stdout


def test_a_command_is_loaded_when_it_is_used() -> None:
    done = CliRunner().invoke(app, ["models", "add", "--help"])
    assert done.exit_code == 0
    assert "--name" in done.stdout
    unknown = CliRunner().invoke(app, ["statsu"])
    assert unknown.exit_code == 2
    assert "Did you mean" in unknown.output
