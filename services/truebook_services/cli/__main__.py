"""The command ``truebook``: its subcommands are those of ``command_table``, each loaded when it is used."""

from __future__ import annotations

from typing import Annotated

import typer

from truebook_services.cli.lazy_group import LazyGroup

app = typer.Typer(
    cls=LazyGroup,
    help="Trade Kalshi prediction markets on paper with your own model; the ledger is checked against the exchange.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata  # loads slowly, and only this option needs it

        print(f"truebook {metadata.version('truebook')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    # Without a docstring: it would replace the help of the whole command.
    del version


def main() -> None:
    """Run the command; an expected error ends in one line on standard error and a documented exit code."""
    try:
        app()
    except (Exception, BaseExceptionGroup):
        # The table names every command's errors, so it imports parts of all commands: only an error needs it.
        from truebook_services.cli.exit_codes import exit_with_one_line

        with exit_with_one_line():
            raise


if __name__ == "__main__":
    main()
