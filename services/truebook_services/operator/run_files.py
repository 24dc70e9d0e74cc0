"""The files that a run leaves in its state folder: its summary, the final books, the evidence for ``truebook why``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from truebook.decoding import UNREADABLE
from truebook.evidence.records import Snapshot
from truebook.ledger.valuation import Levels
from truebook.live.account import SavedHistory
from truebook.live.system_views import AccountPoint
from truebook_services.operator.port import Status

BOOKS: Final = "books.json"
EVIDENCE: Final = "why.json"
HISTORY: Final = "equity.json"
JOURNAL: Final = "journal.jsonl"
"""The copy of the ledger's journal."""
LEDGER: Final = "ledger"
"""The folder of the bundled ledger server."""
SUMMARY: Final = "summary.json"

Content = TypeVar("Content")


class SavedBook(msgspec.Struct, frozen=True):
    """One market's final book as its readers knew it; ``stale`` is the reason not to use it."""

    stale: str | None
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    is_closed: bool = False
    """The market had closed: the book is no price."""


def write_file(path: Path, content: Any) -> None:
    """Write as JSON, atomically: a reader finds the old or the new content."""
    draft = path.with_name(f".{path.name}")
    draft.write_bytes(msgspec.json.encode(content))
    draft.replace(path)


def read_summary(folder: Path) -> Status | None:
    return _read(folder / SUMMARY, Status)


def read_books(folder: Path) -> dict[str, tuple[Levels, Levels]]:
    """Read the books of unclosed markets that were fresh at the end of the last run: ticker → (bids, asks)."""
    books = _read(folder / BOOKS, dict[str, SavedBook]) or {}
    return {
        ticker: (book.bids, book.asks) for ticker, book in books.items() if book.stale is None and not book.is_closed
    }


def read_evidence(folder: Path) -> Snapshot | None:
    return _read(folder / EVIDENCE, Snapshot)


def read_history(folder: Path) -> list[AccountPoint]:
    """Read the history of the account's equity."""
    saved = _read(folder / HISTORY, SavedHistory)
    return [] if saved is None else list(saved.points)


def _read(path: Path, kind: type[Content]) -> Content | None:
    """Decode the file; None where it is missing, or was written by another version."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, *UNREADABLE):
        return None
