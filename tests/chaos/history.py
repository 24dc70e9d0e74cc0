"""The history of one run: a digest over every byte, and its last part as text for a run that failed."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

KEPT = 60_000
SHOWN = 45
WIDTH = 230
FAULT = "FAULT"
START_US = 1_700_000_000_000_000
"""The exchange's time at which every run begins."""


class Violation(Exception):
    """A broken rule: which one, the details, and whom it concerns."""

    def __init__(self, rule: str, detail: str, *, subject: str = "") -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule = rule
        self.detail = detail
        self.subject = subject
        """A ticker or an order id, which selects the relevant history."""


class Note(msgspec.Struct, frozen=True):
    """One entry; ``text`` is formatted only when it is read."""

    at_us: int
    who: str
    subject: str
    body: Any

    @property
    def text(self) -> str:
        body = self.body
        if isinstance(body, bytes):
            return body.decode("utf-8", "replace")
        return body if isinstance(body, str) else msgspec.json.encode(body).decode()


class History:
    """Bus records, ledger entries and exchange events enter the digest; log lines and faults are only kept."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self._digest = hashlib.blake2b(digest_size=16)
        self._kept: deque[Note] = deque(maxlen=KEPT)
        self._checkpoint_us = START_US
        self.checkpoints: list[str] = []
        """The digest every ten seconds: shows where two histories diverge."""
        self.faults: list[Note] = []
        self.counts: Counter[str] = Counter()

    def record(self, who: str, subject: str, body: bytes) -> None:
        """Add an entry that must be identical in every run of the seed."""
        now_us = self._now_us()
        while now_us >= self._checkpoint_us:
            self._checkpoint_us += 10_000_000
            self.checkpoints.append(self.hexdigest()[:8])
        self._digest.update(f"{now_us}|{who}|{subject}|".encode())
        self._digest.update(body)
        self._digest.update(b"\n")
        self.counts[who] += 1
        if who != FAULT:
            self._kept.append(Note(now_us, who, subject, body))

    def note(self, who: str, subject: str, text: Any) -> None:
        """Add an entry for the reader only."""
        self._kept.append(Note(self._now_us(), who, subject, text))

    def fault(self, kind: str, detail: str) -> None:
        """Add a fault that has struck."""
        note = Note(self._now_us(), FAULT, "", f"{kind} {detail}".strip())
        self.faults.append(note)
        self._kept.append(note)
        self.record(FAULT, kind, detail.encode())

    @property
    def last_s(self) -> float:
        """The time of the last entry, in seconds since the start."""
        return (self._kept[-1].at_us - START_US) / 1e6 if self._kept else 0.0

    def hexdigest(self) -> str:
        return self._digest.hexdigest()

    def text(self, subject: str, shown: int = SHOWN) -> str:
        """Format the last entries that concern a subject, and the faults before them."""
        selected = [note for note in self._kept if note.who == FAULT or _concerns(note, subject)]
        return "\n".join(_lines(selected[-shown:]))


def _concerns(note: Note, subject: str) -> bool:
    if note.who in ("orderbook", "markets", "observations", "exchange:LevelChanged", "exchange:Traded"):
        return False  # market data
    return not subject or note.subject == subject or subject in note.text


def _lines(notes: Iterable[Note]) -> Iterable[str]:
    for note in notes:
        text = note.text if len(note.text) <= WIDTH else note.text[:WIDTH] + "…"
        yield f"{(note.at_us - START_US) / 1e6:10.4f}  {note.who:<22} {text}"
