"""The state of the network, the bus and the ledger: which faults are active, and how the next call ends.

The run activates faults by plan; REST, sockets, bus and ledger query them. Draws from its own random generators.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from math import inf
from random import Random

import msgspec

from chaos.faults import Kind
from chaos.history import History

ONE_WAY_S = (0.002, 0.02)
"""One way over the network."""
LEDGER_S = (0.0001, 0.001)
JITTER_S = (0.0, 0.01)
LATE_S = (3.5, 18.0)


class End(StrEnum):
    """How a call ends."""

    COMPLETED = "completed"
    UNREACHABLE = "unreachable"
    REQUEST_LOST = "request_lost"
    RESPONSE_LOST = "response_lost"
    CONNECTION_RESET = "connection_reset"
    ERROR_BEFORE = "error_before"
    """An HTTP error; the request was not executed."""
    DUPLICATED = "duplicated"
    """The request arrives twice; the client gets the second response."""
    ERROR_AFTER = "error_after"
    """An HTTP 5xx although the request was executed."""


class CallPlan(msgspec.Struct, frozen=True):
    """How one REST call proceeds: the delay of request and response, and how it ends."""

    request_s: float
    response_s: float
    end: End = End.COMPLETED
    status: int = 0


class LedgerOutcome(StrEnum):
    """How a ledger call ends."""

    DONE = "done"
    FAILED = "failed"
    RESPONSE_LOST = "response_lost"


class NetworkConditions:
    """The active faults; none after ``end_all``."""

    def __init__(self, seed: int, history: History, now_s: Callable[[], float]) -> None:
        self._rest = Random(f"{seed}:rest")
        self._ledger = Random(f"{seed}:ledger")
        self._transfers = Random(f"{seed}:transfers")
        self.has_transfer_faults = False
        """Many requests of transfers between shards are lost, late, repeated or refused."""
        self._history = history
        self._now_s = now_s
        self._until_s: dict[Kind, float] = {}
        self._since_s: dict[Kind, float] = {}
        self._pending: Counter[Kind] = Counter()
        self.frozen_lists: frozenset[str] = frozenset()
        """Which lists stop changing while reads are stale."""
        self.is_jittery = False

    # Called by the run.

    def begin(self, kind: Kind, lasts_s: float) -> None:
        """Activate a fault for a while."""
        if not self.active(kind):
            self._since_s[kind] = self._now_s()
        self._until_s[kind] = max(self._until_s.get(kind, 0.0), self._now_s() + lasts_s)

    def strike_next(self, kind: Kind, count: int) -> None:
        """Let a fault strike the next ``count`` occasions."""
        self._pending[kind] += count

    def end(self, kind: Kind) -> None:
        self._until_s.pop(kind, None)

    def end_all(self) -> None:
        self._until_s.clear()
        self._pending.clear()
        self.has_transfer_faults = False

    # Called by the ports.

    def active(self, kind: Kind) -> bool:
        until_s = self._until_s.get(kind)
        return until_s is not None and self._now_s() < until_s

    def active_for_s(self, kind: Kind) -> float:
        """Return for how long a fault has been active; 0 if it is not."""
        return self._now_s() - self._since_s[kind] if self.active(kind) else 0.0

    def ended_for_s(self, kind: Kind) -> float:
        """Return for how long a fault has been over: 0 while it is active, infinity before it."""
        until_s = self._until_s.get(kind)
        return inf if until_s is None else max(0.0, self._now_s() - until_s)

    def call_plan(self, call: str) -> CallPlan:
        """Decide how a REST call proceeds."""
        random = self._rest
        request_s, response_s = random.uniform(*ONE_WAY_S), random.uniform(*ONE_WAY_S)
        if call == "create_order":
            call_plan = self._plan_of_create(request_s, response_s)
        elif call == "cancel_order" and self._takes(Kind.LOST_CANCEL, call):
            call_plan = CallPlan(
                request_s, response_s, random.choice((End.REQUEST_LOST, End.RESPONSE_LOST, End.CONNECTION_RESET))
            )
        elif call == "transfer_between_shards" and self.has_transfer_faults and self._transfers.random() < 0.6:
            call_plan = self._plan_of_transfer(response_s)
        else:
            call_plan = None
        if call_plan is not None:
            return call_plan
        if call == "fills" and self.active(Kind.FILLS_DOWN):
            return CallPlan(request_s, response_s, End.ERROR_BEFORE, 500)
        if self.active(Kind.UNREACHABLE) and random.random() < 0.8:
            return CallPlan(request_s, response_s, End.UNREACHABLE)
        if self.active(Kind.RATE_LIMITED) and random.random() < 0.6:
            return CallPlan(request_s, response_s, End.ERROR_BEFORE, 429)
        if self.active(Kind.SERVER_ERRORS) and random.random() < 0.5:
            return CallPlan(
                request_s, response_s, random.choice((End.ERROR_BEFORE, End.ERROR_AFTER)), random.choice((500, 503))
            )
        if self.active(Kind.SLOW) and random.random() < 0.5:
            return CallPlan(request_s * random.uniform(1, 300), response_s * random.uniform(1, 300))
        return CallPlan(request_s, response_s)

    def ledger_outcome(self) -> LedgerOutcome:
        if not self.active(Kind.LEDGER_OUTAGE):
            return LedgerOutcome.DONE
        return self._ledger.choice(
            (LedgerOutcome.DONE, LedgerOutcome.FAILED, LedgerOutcome.FAILED, LedgerOutcome.RESPONSE_LOST)
        )

    def ledger_delays_s(self) -> tuple[float, float]:
        """The delays of a ledger call before and after its execution; most have none, which costs no loop turn."""
        drawn = self._ledger.random()
        if self.is_jittery:
            return self._ledger.uniform(*JITTER_S), self._ledger.uniform(*JITTER_S)
        if drawn < 0.6:
            return 0.0, 0.0
        delay_s = LEDGER_S[0] + (LEDGER_S[1] - LEDGER_S[0]) * self._ledger.random()
        return (delay_s, 0.0) if drawn < 0.8 else (0.0, delay_s)

    def _plan_of_transfer(self, response_s: float) -> CallPlan:
        random = self._transfers
        end = random.choice((
            End.REQUEST_LOST, End.RESPONSE_LOST, End.CONNECTION_RESET, End.ERROR_BEFORE, End.ERROR_AFTER,
            End.DUPLICATED, End.COMPLETED, End.UNREACHABLE,
        ))  # fmt: skip
        self._history.note("transfer", "", f"a request ends as {end}")
        request_s = random.uniform(*(LATE_S if end is End.COMPLETED else ONE_WAY_S))
        return CallPlan(request_s, response_s, end, 503)

    def _plan_of_create(self, request_s: float, response_s: float) -> CallPlan | None:
        random = self._rest
        if self._takes(Kind.LOST_ACK, "create_order"):
            return CallPlan(
                request_s, response_s, random.choice((End.RESPONSE_LOST, End.CONNECTION_RESET, End.ERROR_AFTER)), 500
            )
        if self._takes(Kind.LOST_REQUEST, "create_order"):
            return CallPlan(request_s, response_s, random.choice((End.REQUEST_LOST, End.ERROR_BEFORE)), 503)
        if self._takes(Kind.DUPLICATED_REQUEST, "create_order"):
            return CallPlan(request_s, response_s, End.DUPLICATED)
        if self._takes(Kind.LATE_REQUEST, "create_order"):
            return CallPlan(random.uniform(*LATE_S), response_s)
        return None

    def _takes(self, kind: Kind, call: str) -> bool:
        if not self._pending[kind]:
            return False
        self._pending[kind] -= 1
        self._history.fault(kind, f"strikes {call}")
        return True
