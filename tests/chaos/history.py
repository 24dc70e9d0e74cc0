"""What happened in one run: a digest over every byte of it, and its last part in words for a run that failed."""

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
    """Something that must never be: what, and whom it concerns."""

    def __init__(self, rule: str, detail: str, *, subject: str = "") -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule = rule
        self.detail = detail
        self.subject = subject
        """A ticker or an order's id, to find the history that matters."""


class Note(msgspec.Struct, frozen=True):
    """One thing that happened; ``text`` is written only when it is looked at."""

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
    """Bus records, ledger entries and exchange events go into the digest; log lines and faults are only kept."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self._digest = hashlib.blake2b(digest_size=16)
        self._kept: deque[Note] = deque(maxlen=KEPT)
        self._checkpoint_us = START_US
        self.checkpoints: list[str] = []
        """The digest as it was every ten seconds: where two histories part."""
        self.faults: list[Note] = []
        self.counts: Counter[str] = Counter()

    def record(self, who: str, subject: str, body: bytes) -> None:
        """Take something that must be the same in every run of the seed."""
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
        """Take something that helps a reader."""
        self._kept.append(Note(self._now_us(), who, subject, text))

    def fault(self, kind: str, detail: str) -> None:
        """Take a fault that has struck."""
        note = Note(self._now_us(), FAULT, "", f"{kind} {detail}".strip())
        self.faults.append(note)
        self._kept.append(note)
        self.record(FAULT, kind, detail.encode())

    @property
    def last_s(self) -> float:
        """When the last thing happened, in seconds since the beginning."""
        return (self._kept[-1].at_us - START_US) / 1e6 if self._kept else 0.0

    def hexdigest(self) -> str:
        return self._digest.hexdigest()

    def tell(self, subject: str, shown: int = SHOWN) -> str:
        """Write the last things that concern a subject, and the faults before them."""
        chosen = [note for note in self._kept if note.who == FAULT or _concerns(note, subject)]
        return "\n".join(_lines(chosen[-shown:]))


def _concerns(note: Note, subject: str) -> bool:
    if note.who in ("orderbook", "markets", "observations", "exchange:LevelChanged", "exchange:Traded"):
        return False  # the market's own noise
    return not subject or note.subject == subject or subject in note.text


def _lines(notes: Iterable[Note]) -> Iterable[str]:
    for note in notes:
        text = note.text if len(note.text) <= WIDTH else note.text[:WIDTH] + "…"
        yield f"{(note.at_us - START_US) / 1e6:10.4f}  {note.who:<22} {text}"
