"""Errors of the exchange's journal.

ExchangeJournalError
├── ExchangeJournalCorrupt      a line or a compressed segment is damaged
├── ExchangeJournalMismatch     the journal is of other settings, or of another engine
├── ExchangeJournalInUse        another process writes it
└── ExchangeJournalUnavailable  it can't be written
"""

from __future__ import annotations

from pathlib import Path


class ExchangeJournalError(Exception):
    """The journal cannot be used; the message states what to do."""


class ExchangeJournalCorrupt(ExchangeJournalError):
    """A line before the last one is damaged."""

    def __init__(self, file: Path, line: int, detail: str) -> None:
        super().__init__(f"{file}, line {line}: {detail}; restore the file, or move its folder away to start over")
        self.file = file
        self.line = line


class ExchangeJournalMismatch(ExchangeJournalError):
    """The journal is of an exchange with other settings, or of another engine."""


class ExchangeJournalInUse(ExchangeJournalError):
    """Another process writes this journal."""


class ExchangeJournalUnavailable(ExchangeJournalError):
    """The journal can't be written: the disk is full, for example. The exchange must end."""
