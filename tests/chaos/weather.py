"""The state of all lines right now: which faults are in force, and what becomes of the next call.

The saboteur changes it by plan; REST, sockets, bus and ledger ask it. It draws from generators of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from random import Random

import msgspec

from chaos.faults import Kind
from chaos.history import History

USUAL_S = (0.002, 0.02)
"""One way over the network."""
LEDGER_S = (0.0001, 0.001)
JITTER_S = (0.0, 0.01)
LATE_S = (3.5, 18.0)


class End(StrEnum):
    """How a call ends."""

    ANSWERED = "answered"
    UNREACHABLE = "unreachable"
    REQUEST_LOST = "request_lost"
    ANSWER_LOST = "answer_lost"
    ANSWER_RESET = "answer_reset"
    ERROR_BEFORE = "error_before"
    """An HTTP error, nothing done."""
    DOUBLED = "doubled"
    """The request arrives twice; the second answer is ours."""
    ERROR_AFTER = "error_after"
    """An HTTP 5xx although all was done."""


class Fate(msgspec.Struct, frozen=True):
    """What becomes of one REST call: how long each way takes, and its end."""

    there_s: float
    back_s: float
    end: End = End.ANSWERED
    status: int = 0


class LedgerFate(StrEnum):
    """How a ledger call ends."""

    DONE = "done"
    FAILED = "failed"
    ANSWER_LOST = "answer_lost"


class Weather:
    """Faults in force; everything is calm once ``calm`` was called."""

    def __init__(self, seed: int, history: History, now_s: Callable[[], float]) -> None:
        self._rest = Random(f"{seed}:rest")
        self._ledger = Random(f"{seed}:ledger")
        self._history = history
        self._now_s = now_s
        self._until_s: dict[Kind, float] = {}
        self._due: Counter[Kind] = Counter()
        self.frozen_lists: frozenset[str] = frozenset()
        """Which lists stand still while reads are stale."""
        self.is_jittery = False

    # What the saboteur says.

    def begin(self, kind: Kind, lasts_s: float) -> None:
        """Let it be so for a while."""
        self._until_s[kind] = max(self._until_s.get(kind, 0.0), self._now_s() + lasts_s)

    def owe(self, kind: Kind, count: int) -> None:
        """Let it strike the next ``count`` occasions."""
        self._due[kind] += count

    def calm(self) -> None:
        self._until_s.clear()
        self._due.clear()

    # What the lines ask.

    def rages(self, kind: Kind) -> bool:
        until_s = self._until_s.get(kind)
        return until_s is not None and self._now_s() < until_s

    def fate(self, call: str) -> Fate:
        """Decide what becomes of a REST call."""
        random = self._rest
        there_s, back_s = random.uniform(*USUAL_S), random.uniform(*USUAL_S)
        if call == "create_order":
            fate = self._fate_of_create(there_s, back_s)
        elif call == "cancel_order" and self._takes(Kind.LOST_CANCEL, call):
            fate = Fate(there_s, back_s, random.choice((End.REQUEST_LOST, End.ANSWER_LOST, End.ANSWER_RESET)))
        else:
            fate = None
        if fate is not None:
            return fate
        if self.rages(Kind.UNREACHABLE) and random.random() < 0.8:
            return Fate(there_s, back_s, End.UNREACHABLE)
        if self.rages(Kind.RATE_LIMITED) and random.random() < 0.6:
            return Fate(there_s, back_s, End.ERROR_BEFORE, 429)
        if self.rages(Kind.SERVER_ERRORS) and random.random() < 0.5:
            return Fate(there_s, back_s, random.choice((End.ERROR_BEFORE, End.ERROR_AFTER)), random.choice((500, 503)))
        if self.rages(Kind.SLOW) and random.random() < 0.5:
            return Fate(there_s * random.uniform(1, 300), back_s * random.uniform(1, 300))
        return Fate(there_s, back_s)

    def ledger_fate(self) -> LedgerFate:
        if not self.rages(Kind.LEDGER_OUTAGE):
            return LedgerFate.DONE
        return self._ledger.choice((LedgerFate.DONE, LedgerFate.FAILED, LedgerFate.FAILED, LedgerFate.ANSWER_LOST))

    def ledger_delays_s(self) -> tuple[float, float]:
        """How long a ledger call takes before it is carried out, and after; most take no time, which costs none."""
        drawn = self._ledger.random()
        if self.is_jittery:
            return self._ledger.uniform(*JITTER_S), self._ledger.uniform(*JITTER_S)
        if drawn < 0.6:
            return 0.0, 0.0
        delay_s = LEDGER_S[0] + (LEDGER_S[1] - LEDGER_S[0]) * self._ledger.random()
        return (delay_s, 0.0) if drawn < 0.8 else (0.0, delay_s)

    def _fate_of_create(self, there_s: float, back_s: float) -> Fate | None:
        random = self._rest
        if self._takes(Kind.LOST_ACK, "create_order"):
            return Fate(there_s, back_s, random.choice((End.ANSWER_LOST, End.ANSWER_RESET, End.ERROR_AFTER)), 500)
        if self._takes(Kind.LOST_REQUEST, "create_order"):
            return Fate(there_s, back_s, random.choice((End.REQUEST_LOST, End.ERROR_BEFORE)), 503)
        if self._takes(Kind.DOUBLED_REQUEST, "create_order"):
            return Fate(there_s, back_s, End.DOUBLED)
        if self._takes(Kind.LATE_REQUEST, "create_order"):
            return Fate(random.uniform(*LATE_S), back_s)
        return None

    def _takes(self, kind: Kind, call: str) -> bool:
        if not self._due[kind]:
            return False
        self._due[kind] -= 1
        self._history.fault(kind, f"strikes {call}")
        return True
