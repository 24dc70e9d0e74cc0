"""The journal's copy outside of the ledger: what a ledger is restored from that has lost its newest changes, or all.

The ledger keeps its newest entries itself; a relay copies them, in their order, to a ``Journal`` that keeps them for
ever. Errors, all kinds of ``LedgerError``:

    JournalError
    ├── JournalUnavailable   it can't be written or read now; repeating is safe
    ├── JournalCorrupt       what is stored does not read as it was written
    └── JournalMismatch      ledger and journal tell two different stories: one of them is not this account's
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from truebook.ledger.port import JournalEntry, LedgerError


class JournalError(LedgerError):
    """The journal's copy can't be used."""


class JournalUnavailable(JournalError):
    """It can't be written or read now; what was asked may be repeated."""

    retry = True


class JournalCorrupt(JournalError):
    """What is stored does not read as it was written."""


class JournalMismatch(JournalError):
    """Ledger and journal tell two different stories."""


class Journal(Protocol):
    """The entries of one history, numbered without gaps, mostly from 1."""

    @property
    def tail(self) -> JournalEntry | None:
        """The newest entry; null while there is none."""
        ...

    def read(self, after_seq: int) -> AsyncIterator[JournalEntry]:
        """Give all entries after that number, in their order."""
        ...

    async def append(self, entries: Sequence[JournalEntry]) -> None:
        """Add the entries that follow the tail; returns once they are kept for good."""
        ...

    async def aclose(self) -> None: ...
