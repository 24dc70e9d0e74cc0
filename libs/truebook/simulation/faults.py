"""Faults on demand: which of the simulated exchange's answers and frames go wrong, and when.

A schedule is a pure function of time and counts; the service asks it at the place where a fault would happen. Written
as ``kind@when``: ``lost_ack@every=7`` (each seventh order), ``drop_socket@t=10`` (once, ten seconds after the start).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

import msgspec

_MICROS = 1_000_000


class FaultKind(StrEnum):
    """What can go wrong, and what is counted for ``every``."""

    LOST_ACK = "lost_ack"
    """The order is carried out, its HTTP answer never arrives. Counted: create-order requests."""
    DROP_SOCKET = "drop_socket"
    """The WebSocket connection is cut without a close frame. Counted: frames sent."""
    SEQUENCE_GAP = "sequence_gap"
    """One frame of a subscription is left out, its number used up. Counted: book frames sent."""
    LATE_FILL = "late_fill"
    """A private fill frame is held back for some seconds. Counted: fill frames."""


class FaultError(ValueError):
    """A fault that can't be read; says which kinds and times there are."""


class Fault(msgspec.Struct, frozen=True):
    """One fault: once at ``after_us`` from the start, or at every ``every``-th event of its kind."""

    kind: FaultKind
    after_us: int | None = None
    every: int | None = None


_PATTERN = re.compile(r"(\w+)@(?:every=(\d{1,9})|t=(\d{1,9})(?:\.(\d{1,6}))?)", re.ASCII)


def parse_fault(text: str) -> Fault:
    """Read one fault; raises ``FaultError``."""
    match = _PATTERN.fullmatch(text.strip())
    kinds = ", ".join(kind.value for kind in FaultKind)
    usage = f"write kind@every=N (N from 1) or kind@t=SECONDS, where kind is one of: {kinds}"
    if match is None:
        raise FaultError(f"can't read the fault {text!r}: {usage}")
    name, every, seconds, fraction = match.groups()
    if name not in list(FaultKind):
        raise FaultError(f"there is no fault {name!r}: {usage}")
    kind = FaultKind(name)
    if every is None:
        return Fault(kind, after_us=int(seconds) * _MICROS + int((fraction or "").ljust(6, "0")))
    if int(every) < 1:
        raise FaultError(f"the fault {text!r} never happens: {usage}")
    return Fault(kind, every=int(every))


class FaultSchedule:
    """All faults of a run. Timed ones happen once each, at the first occasion that is not before their time."""

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
        """Read a schedule; raises ``FaultError`` for the first fault that can't be read."""
        return cls([parse_fault(text) for text in texts], start_us=start_us)

    def due(self, kind: FaultKind, now_us: int, count: int) -> bool:
        """Tell whether the fault happens now; ``count`` is the number of its occasions so far, this one included.

        A timed fault that is due is used up by the answer.
        """
        by_count = any(count % every == 0 for every in self._every.get(kind, ()))
        times = self._timed.get(kind)
        if times and now_us - self._start_us >= times[0]:
            times.pop(0)
            return True
        return by_count and count > 0

    def next_due_us(self, kind: FaultKind) -> int | None:
        """Give the time of the next timed fault of a kind, for faults that need no occasion (a dropped socket)."""
        times = self._timed.get(kind)
        return self._start_us + times[0] if times else None
