"""The permanent copy of the journal: a ledger that lost its newest changes, or all, is restored from it.

The ledger keeps only its newest entries; a relay copies them in order to a ``LedgerJournal``. One that removes its
oldest entries has an anchor after them: the state that they lead to. Errors, all subclasses of ``LedgerError``:

    JournalError
    ├── JournalUnavailable   it can't be written or read now; retrying is safe
    ├── JournalCorrupt       the stored entries are damaged
    └── JournalMismatch      ledger and journal have diverged: one of them is not this account's
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from truebook.ledger.port import JournalEntry, LedgerError


class JournalError(LedgerError):
    """The journal's copy can't be used."""


class JournalUnavailable(JournalError):
    """It can't be written or read now; retrying is safe."""

    retry = True


class JournalCorrupt(JournalError):
    """The stored entries are damaged."""


class JournalMismatch(JournalError):
    """Ledger and journal have diverged."""


class JournalAnchor(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a ledger after an entry: a restore may begin with it."""

    ledger_id: str
    seq: int
    state: msgspec.Raw
    """The state of the rules as JSON."""
    head: str = ""
    """The hash of that entry (``chain``); empty: an earlier version made the anchor."""


class LedgerJournal(Protocol):
    """The entries of one history, numbered without gaps, usually from 1."""

    @property
    def tail(self) -> JournalEntry | None:
        """The newest entry; None if there is none."""
        ...

    def read(self, after_seq: int) -> AsyncIterator[JournalEntry]:
        """Yield all entries after that number, in order."""
        ...

    async def append(self, entries: Sequence[JournalEntry]) -> None:
        """Append the entries that follow the tail; returns once they are durable."""
        ...

    async def anchor(self) -> JournalAnchor | None:
        """Return the newest anchor before the tail; None if the journal has none."""
        ...

    async def aclose(self) -> None: ...
