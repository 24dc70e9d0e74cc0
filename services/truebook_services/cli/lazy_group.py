"""A group that imports a command's module when the command is run; its help and the shell's completion import none."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from truebook.runtime.gc import collection_paused
from truebook_services.cli.command_table import COMMANDS, Entry


class LazyGroup(TyperGroup):
    """Lists the commands of ``COMMANDS`` by their names and lines of help, and loads the one that is used."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        for name, entry in COMMANDS.items():
            self.add_command(TyperCommand(name, help=entry.help), name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Return the loaded command that the words name, with the rest of them, as the base class does."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and name in COMMANDS:
            command = load_command(name, COMMANDS[name])
        return name, command, rest


def load_command(name: str, entry: Entry) -> TyperCommand | TyperGroup:
    """Import a command, or a group with its commands."""
    with collection_paused():  # the modules stay; collections meanwhile took an eighth of the import of ``run``
        found = entry.load()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
    else:
        app.command(name)(found)
        app.callback()(lambda: None)
    whole: Any = typer.main.get_command(app)
    command: TyperCommand | TyperGroup = whole.commands[name]
    return command
