"""Where tables are printed."""

from __future__ import annotations

from typing import Final

from rich.console import Console

WIDTH: Final = 120


def table_console(width: int = WIDTH) -> Console:
    """Return the terminal's console, or one of a fixed width (in characters) where the output is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=width)
