"""Periodic work by virtual time: fixed intervals, and entries that name their next time themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Final

import msgspec

NEVER_US: Final = 2**62


class WhileIdle(Enum):
    """What an entry does while nothing else happens (``engine.idle``)."""

    RUN = "run"
    """It runs each time."""
    ENDS = "ends"
    """All its runs are equal: the first two and the last one are enough."""
    REPEATS = "repeats"
    """It is part of what repeats: its runs are counted, not made."""


class Every(msgspec.Struct):
    """An action at a fixed interval; its first run is one interval after the start."""

    interval_us: int
    action: Callable[[int], None]
    while_idle: WhileIdle = WhileIdle.RUN
    due_us: int = 0

    def last_before(self, us: int) -> int:
        """Return its last time before another one that is later than ``due_us``."""
        return self.due_us + (us - 1 - self.due_us) // self.interval_us * self.interval_us


class Next(msgspec.Struct):
    """An action whose result is its next time."""

    due_us: int
    action: Callable[[int], int]


class Calendar:
    """Runs what is due: ``following`` first, then ``every``, each in its order."""

    def __init__(self, start_us: int, every: Sequence[Every], following: Sequence[Next]) -> None:
        self._every = every
        self._following = following
        for entry in every:
            entry.due_us = start_us + entry.interval_us
        self.next_us = _first(self._following, self._every)

    def run(self, now_us: int) -> Iterator[None]:
        """Run what is due by now, each once; suspended after each."""
        for one in self._following:
            if one.due_us <= now_us:
                one.due_us = one.action(now_us)
                yield
        for entry in self._every:
            if entry.due_us <= now_us:
                entry.due_us += entry.interval_us
                entry.action(now_us)
                yield
        self.next_us = _first(self._following, self._every)

    def pass_over(self, before_us: int) -> None:
        """Run what is due before that time as idle time needs it, and leave all entries as they then are."""
        repeating = [entry for entry in self._every if entry.while_idle is WhileIdle.REPEATS]
        running = [entry for entry in self._every if entry.while_idle is not WhileIdle.REPEATS]
        runs = [0] * len(running)
        while (at_us := _first(self._following, running)) < before_us:
            for one in self._following:
                if one.due_us <= at_us:
                    one.due_us = one.action(at_us)
            for number, entry in enumerate(running):
                if entry.due_us <= at_us:
                    entry.due_us += entry.interval_us
                    runs[number] += 1
                    if runs[number] == 2 and entry.while_idle is WhileIdle.ENDS and entry.due_us < before_us:
                        entry.due_us = entry.last_before(before_us)
                    entry.action(at_us)
        for entry in repeating:
            if entry.due_us < before_us:
                entry.due_us = entry.last_before(before_us) + entry.interval_us
        self.next_us = _first(self._following, self._every)


def _first(following: Sequence[Next], every: Sequence[Every]) -> int:
    return min([*(one.due_us for one in every), *(one.due_us for one in following), NEVER_US])
