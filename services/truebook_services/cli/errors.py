"""Expected errors of the command itself; ``exit_codes`` has their codes."""

from __future__ import annotations


class UsageError(Exception):
    """The command can't be run with these arguments."""


class NothingToRecord(Exception):
    """The exchange lists none of the markets that are to be recorded."""
