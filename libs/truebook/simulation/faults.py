"""The faults that the simulated exchange injects: which responses, frames and markets fail, and when.

A schedule is a pure function of time and counts; the service queries it where a fault would happen. Written as
``kind@when``:

| when | meaning |
|---|---|
| ``every=7`` | at every seventh occasion of its kind |
| ``t=10`` | once, at the first occasion ten seconds after the start |
| ``t=10..25`` | at every occasion from the tenth to the twenty-fifth second |

A fault of a market may name it: ``paused@t=10..25:TICKER``; by default it is the one with the most resting orders of
accounts, else the first open one. ``fault_plan`` draws a schedule from a seed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from random import Random
from typing import Final

import msgspec

_MICROS = 1_000_000


class FaultKind(StrEnum):
    """The kinds of faults; each states what ``every=N`` counts."""

    LOST_ACK = "lost_ack"
    """The order is executed, but its HTTP response never arrives. Counted: create-order requests."""
    LATE_ACK = "late_ack"
    """The order is executed at once, its response is delayed by some seconds. Counted: create-order requests."""
    DUPLICATED_REQUEST = "duplicated_request"
    """An order is delivered twice; the client gets the second response. Counted: create-order requests."""
    OK_ACK = "ok_ack"
    """An order is acknowledged by 200 instead of 201. Counted: create-order requests."""
    FAILED_ACK = "failed_ack"
    """The order is executed, but its response is a 502. Counted: create-order requests."""
    EARLY_FILL = "early_fill"
    """The response to an order that trades at once follows its fill frame. Counted: orders that trade at once."""
    SHARD_REFUSAL = "shard_refusal"
    """The order is refused: the account has no cash on the market's shard. Counted: create-order requests."""
    BAD_REQUESTS = "bad_requests"
    """A request is refused with 400 and not executed. Counted: signed requests."""
    SERVER_ERRORS = "server_errors"
    """A request is refused with 500 or 503 and not executed. Counted: requests."""
    RATE_LIMITED = "rate_limited"
    """A request is refused with 429. Counted: signed requests."""
    STALE_READS = "stale_reads"
    """The account's lists, and the data timestamp, stop changing. Counted: no occasions."""
    CANCELLED_LISTED = "cancelled_listed"
    """A cancelled order is still listed as resting for some seconds. Counted: cancelled orders."""
    CLOCK_SKEW = "clock_skew"
    """The exchange's ``Date`` and its check of signatures are ahead of time. Counted: no occasions."""
    DROP_SOCKET = "drop_socket"
    """The WebSocket connection is dropped without a close frame. Counted: frames sent."""
    MUTE_SOCKET = "mute_socket"
    """WebSockets stay open, but nothing is sent on them, also no ping. Counted: no occasions."""
    SEQUENCE_GAP = "sequence_gap"
    """One frame of a subscription is skipped, its sequence number used. Counted: book frames sent."""
    SEQUENCE_RESTART = "sequence_restart"
    """One frame is skipped, and its subscription's numbers restart at 1. Counted: book frames sent."""
    SEQUENCE_REPEAT = "sequence_repeat"
    """One frame is sent twice, with one sequence number. Counted: book frames sent."""
    LATE_FILL = "late_fill"
    """A private fill frame is delayed for some seconds. Counted: fill frames."""
    DOUBLED_FILL = "doubled_fill"
    """A private fill frame is sent twice. Counted: fill frames."""
    PAUSED = "paused"
    """A market takes no orders for a while."""
    REOPENED = "reopened"
    """A market is closed, which cancels its orders, and later opened again."""
    EARLY_CLOSE = "early_close"
    """A market's close is moved to now."""
    SCALAR_OUTCOME = "scalar_outcome"
    """A market is closed and settled at 37 cents."""
    VOID_OUTCOME = "void_outcome"
    """A market is closed and settled at the middle of its book, in whole cents, once that has both sides."""
    GRID_CHANGE = "grid_change"
    """A market's price step becomes five cents for a while."""
    FEE_CHANGE = "fee_change"
    """A market's fees are doubled for a while."""


OF_MARKETS: Final = frozenset(
    {
        FaultKind.PAUSED, FaultKind.REOPENED, FaultKind.EARLY_CLOSE, FaultKind.SCALAR_OUTCOME,
        FaultKind.VOID_OUTCOME, FaultKind.GRID_CHANGE, FaultKind.FEE_CHANGE,
    }
)  # fmt: skip
"""Faults of one market: they happen at their time, without an occasion."""
OF_A_WHILE: Final = frozenset(
    {
        FaultKind.STALE_READS, FaultKind.CLOCK_SKEW, FaultKind.MUTE_SOCKET, FaultKind.PAUSED, FaultKind.REOPENED,
        FaultKind.GRID_CHANGE, FaultKind.FEE_CHANGE,
    }
)  # fmt: skip
"""Faults without an occasion that need an end: they are written with ``t=FROM..TO``."""
_AT_A_TIME: Final = (FaultKind.EARLY_CLOSE, FaultKind.SCALAR_OUTCOME, FaultKind.VOID_OUTCOME)


class FaultError(ValueError):
    """A fault that cannot be parsed; the message lists the valid kinds and times."""


class Fault(msgspec.Struct, frozen=True):
    """One fault: ``after_us`` after the start (until ``until_us``), or at each ``every``-th occasion of its kind."""

    kind: FaultKind
    after_us: int | None = None
    every: int | None = None
    until_us: int | None = None
    ticker: str = ""

    def __str__(self) -> str:
        if self.every is not None:
            return f"{self.kind}@every={self.every}"
        span = _seconds(self.after_us or 0) + ("" if self.until_us is None else f"..{_seconds(self.until_us)}")
        return f"{self.kind}@t={span}{self.ticker and f':{self.ticker}'}"


def _seconds(at_us: int) -> str:
    return f"{at_us // _MICROS}.{at_us % _MICROS:06}".rstrip("0").rstrip(".")


_SECONDS: Final = r"(\d{1,9})(?:\.(\d{1,6}))?"
_PATTERN = re.compile(rf"(\w+)@(?:every=(\d{{1,9}})|t={_SECONDS}(?:\.\.{_SECONDS})?)(?::([\w.-]+))?", re.ASCII)


def parse_fault(text: str) -> Fault:
    """Parse one fault; raises ``FaultError``."""
    match = _PATTERN.fullmatch(text.strip())
    kinds = ", ".join(kind.value for kind in FaultKind)
    usage = f"write kind@every=N (N from 1), kind@t=SECONDS or kind@t=FROM..TO, where kind is one of: {kinds}"
    if match is None:
        raise FaultError(f"invalid fault {text!r}: {usage}")
    name, every, seconds, fraction, end, end_fraction, ticker = match.groups()
    if name not in list(FaultKind):
        raise FaultError(f"unknown fault {name!r}: {usage}")
    kind = FaultKind(name)
    if ticker is not None and kind not in OF_MARKETS:
        raise FaultError(f"fault {text!r}: {name} is not of one market; {usage}")
    if every is not None:
        if int(every) < 1 or kind in OF_A_WHILE or kind in OF_MARKETS:
            raise FaultError(f"fault {text!r} would never happen: {usage}")
        return Fault(kind, every=int(every))
    after_us, until_us = _micros(seconds, fraction), None if end is None else _micros(end, end_fraction)
    if (until_us is not None and until_us <= after_us) or (until_us is None and kind in OF_A_WHILE):
        raise FaultError(f"fault {text!r} needs an end after its begin, as in {name}@t=10..25")
    if until_us is not None and kind in _AT_A_TIME:
        raise FaultError(f"fault {text!r} has no end: write {name}@t={seconds}")
    return Fault(kind, after_us=after_us, until_us=until_us, ticker=ticker or "")


def _micros(seconds: str, fraction: str | None) -> int:
    return int(seconds) * _MICROS + int((fraction or "").ljust(6, "0"))


class FaultSchedule:
    """All faults of a run, which may be added to and cleared while it is used.

    A fault at one time happens once, at the first occasion at or after it.
    """

    def __init__(self, faults: Iterable[Fault] = (), *, start_us: int = 0) -> None:
        self._start_us = start_us
        self._every: dict[FaultKind, list[int]] = {}
        self._timed: dict[FaultKind, list[int]] = {}
        self._spans: dict[FaultKind, list[tuple[int, int]]] = {}
        self.of_markets: list[Fault] = []
        """Faults of markets, with times since the start; their user removes them."""
        for fault in faults:
            self.add(fault)

    @classmethod
    def parse(cls, texts: Iterable[str], *, start_us: int = 0) -> FaultSchedule:
        """Parse a schedule; raises ``FaultError`` for the first invalid fault."""
        return cls([parse_fault(text) for text in texts], start_us=start_us)

    def add(self, fault: Fault, *, from_us: int | None = None) -> None:
        """Add a fault whose times count from ``from_us``, by default from the start."""
        base_us = 0 if from_us is None else from_us - self._start_us
        after_us = None if fault.after_us is None else fault.after_us + base_us
        until_us = None if fault.until_us is None else fault.until_us + base_us
        if fault.kind in OF_MARKETS:
            self.of_markets.append(msgspec.structs.replace(fault, after_us=after_us, until_us=until_us))
        elif fault.every is not None:
            self._every.setdefault(fault.kind, []).append(fault.every)
        elif until_us is not None and after_us is not None:
            self._spans.setdefault(fault.kind, []).append((after_us, until_us))
        elif after_us is not None:
            self._timed[fault.kind] = sorted([*self._timed.get(fault.kind, ()), after_us])

    def clear(self) -> None:
        """Remove every fault; those of markets that have begun are left to their user."""
        for held in (self._every, self._timed, self._spans, self.of_markets):
            held.clear()

    @property
    def is_empty(self) -> bool:
        """Whether no fault of a request or a frame is scheduled."""
        return not (self._every or self._timed or self._spans)

    def since_start_us(self, now_us: int) -> int:
        return now_us - self._start_us

    def active(self, kind: FaultKind, now_us: int) -> bool:
        """Return whether the time is within a span of this kind."""
        spans = self._spans.get(kind)
        return spans is not None and any(begin <= now_us - self._start_us < end for begin, end in spans)

    def began_us(self, kind: FaultKind, now_us: int) -> int | None:
        """Return when the active span of this kind began; None without one."""
        at_us = now_us - self._start_us
        begins = [begin for begin, end in self._spans.get(kind, ()) if begin <= at_us < end]
        return self._start_us + min(begins) if begins else None

    def due(self, kind: FaultKind, now_us: int, count: int) -> bool:
        """Return whether the fault happens now; ``count`` is the number of its occasions, this one included.

        A due timed fault is consumed by the call.
        """
        times = self._timed.get(kind)
        if times and now_us - self._start_us >= times[0]:
            times.pop(0)
            return True
        if self._spans and self.active(kind, now_us):
            return True
        return count > 0 and any(count % every == 0 for every in self._every.get(kind, ()))

    def next_due_us(self, kind: FaultKind) -> int | None:
        """Return the time of the next timed fault of a kind, for faults without an occasion (a dropped socket)."""
        times = self._timed.get(kind)
        return self._start_us + times[0] if times else None

    def listed(self) -> list[str]:
        """List the faults that are still to come or active, as they are written."""
        faults = [Fault(kind, every=every) for kind, all_of in self._every.items() for every in all_of]
        faults += [Fault(kind, after_us=at_us) for kind, times in self._timed.items() for at_us in times]
        faults += [Fault(kind, begin, None, end) for kind, spans in self._spans.items() for begin, end in spans]
        return [str(fault) for fault in (*faults, *self.of_markets)]


PLANNED: Final = tuple(kind for kind in FaultKind if kind not in (FaultKind.EARLY_CLOSE, FaultKind.VOID_OUTCOME))
"""Kinds of ``fault_plan``: one that ends a market is enough."""
_ONCE: Final = frozenset(
    {FaultKind.DROP_SOCKET, FaultKind.SEQUENCE_GAP, FaultKind.SEQUENCE_RESTART, FaultKind.SEQUENCE_REPEAT}
)


def fault_plan(seed: int, length_us: int, kinds: Iterable[FaultKind] = PLANNED) -> tuple[Fault, ...]:
    """Draw a schedule: each kind once, in a span of its own between the first eighth and the last eighth of the run.

    Half of each span is free of faults, so that the recovery from one is seen before the next begins.
    """
    drawn = Random(f"{seed}:faults").sample(tuple(kinds), k=len(tuple(kinds)))
    begin_us, each_us = length_us // 8, length_us * 6 // 8 // max(1, len(drawn))
    faults = []
    for number, kind in enumerate(drawn):
        at_us = begin_us + number * each_us
        is_once = kind in _ONCE or kind in _AT_A_TIME
        faults.append(Fault(kind, after_us=at_us, until_us=None if is_once else at_us + each_us // 2))
    return tuple(faults)
