"""Periodic work by virtual time: fixed intervals, and entries that name their next time themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

NEVER_US: Final = 2**62


class Every(msgspec.Struct):
    """An action at a fixed interval; its first run is one interval after the start."""

    interval_us: int
    action: Callable[[int], None]
    due_us: int = 0


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
        self.next_us = self._first()

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
        self.next_us = self._first()

    def _first(self) -> int:
        return min([*(one.due_us for one in self._every), *(one.due_us for one in self._following), NEVER_US])
