"""The faults that the simulated exchange injects: which responses and frames fail, and when.

A schedule is a pure function of time and counts; the service queries it where a fault would happen. Written as
``kind@when``: ``lost_ack@every=7`` (every seventh order), ``drop_socket@t=10`` (once, ten seconds after the start).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

import msgspec

_MICROS = 1_000_000


class FaultKind(StrEnum):
    """The kinds of faults; each states what ``every=N`` counts."""

    LOST_ACK = "lost_ack"
    """The order is executed, but its HTTP response never arrives. Counted: create-order requests."""
    DROP_SOCKET = "drop_socket"
    """The WebSocket connection is dropped without a close frame. Counted: frames sent."""
    SEQUENCE_GAP = "sequence_gap"
    """One frame of a subscription is skipped, its sequence number used. Counted: book frames sent."""
    SEQUENCE_RESTART = "sequence_restart"
    """One frame is skipped, and its subscription's numbers restart at 1. Counted: book frames sent."""
    LATE_FILL = "late_fill"
    """A private fill frame is delayed for some seconds. Counted: fill frames."""


class FaultError(ValueError):
    """A fault that cannot be parsed; the message lists the valid kinds and times."""


class Fault(msgspec.Struct, frozen=True):
    """One fault: once, ``after_us`` after the start, or at each ``every``-th occasion of its kind."""

    kind: FaultKind
    after_us: int | None = None
    every: int | None = None


_PATTERN = re.compile(r"(\w+)@(?:every=(\d{1,9})|t=(\d{1,9})(?:\.(\d{1,6}))?)", re.ASCII)


def parse_fault(text: str) -> Fault:
    """Parse one fault; raises ``FaultError``."""
    match = _PATTERN.fullmatch(text.strip())
    kinds = ", ".join(kind.value for kind in FaultKind)
    usage = f"write kind@every=N (N from 1) or kind@t=SECONDS, where kind is one of: {kinds}"
    if match is None:
        raise FaultError(f"invalid fault {text!r}: {usage}")
    name, every, seconds, fraction = match.groups()
    if name not in list(FaultKind):
        raise FaultError(f"unknown fault {name!r}: {usage}")
    kind = FaultKind(name)
    if every is None:
        return Fault(kind, after_us=int(seconds) * _MICROS + int((fraction or "").ljust(6, "0")))
    if int(every) < 1:
        raise FaultError(f"fault {text!r} would never happen: {usage}")
    return Fault(kind, every=int(every))


class FaultSchedule:
    """All faults of a run. A timed one happens once, at the first occasion at or after its time."""

    def __init__(self, faults: Iterable[Fault] = (), *, start_us: int = 0) -> None:
        self._start_us = start_us
        self._every: dict[FaultKind, list[int]] = {}
        self._timed: dict[FaultKind, list[int]] = {}
        for fault in faults:
            if fault.every is not None:
                self._every.setdefault(fault.kind, []).append(fault.every)
            if fault.after_us is not None:
                self._timed.setdefault(fault.kind, []).append(fault.after_us)
        for times in self._timed.values():
            times.sort()

    @classmethod
    def parse(cls, texts: Iterable[str], *, start_us: int = 0) -> FaultSchedule:
        """Parse a schedule; raises ``FaultError`` for the first invalid fault."""
        return cls([parse_fault(text) for text in texts], start_us=start_us)

    def due(self, kind: FaultKind, now_us: int, count: int) -> bool:
        """Return whether the fault happens now; ``count`` is the number of its occasions, this one included.

        A due timed fault is consumed by the call.
        """
        by_count = any(count % every == 0 for every in self._every.get(kind, ()))
        times = self._timed.get(kind)
        if times and now_us - self._start_us >= times[0]:
            times.pop(0)
            return True
        return by_count and count > 0

    def next_due_us(self, kind: FaultKind) -> int | None:
        """Return the time of the next timed fault of a kind, for faults without an occasion (a dropped socket)."""
        times = self._timed.get(kind)
        return self._start_us + times[0] if times else None
