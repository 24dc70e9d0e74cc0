"""Keys that wait for their time. ``take`` costs by the number of due keys, not by all that wait.

Each key waits once: adding it again changes nothing until it is taken out. Keys are returned by their time, equal times
in the order of addition.
"""

from __future__ import annotations

from heapq import heappop, heappush


class DueQueue:
    """A queue of keys by time, in microseconds of the caller's clock."""

    def __init__(self) -> None:
        self._at_us: dict[str, tuple[int, int]] = {}
        self._queue: list[tuple[int, int, str]] = []
        self._added = 0

    def __len__(self) -> int:
        return len(self._at_us)

    def __contains__(self, key: str) -> bool:
        return key in self._at_us

    def add(self, key: str, at_us: int) -> None:
        """Queue a key until ``at_us``; one that is queued keeps its time."""
        if key in self._at_us:
            return
        self._added += 1
        self._at_us[key] = at_us, self._added
        heappush(self._queue, (at_us, self._added, key))

    def discard(self, key: str) -> None:
        """Remove a key."""
        self._at_us.pop(key, None)  # its entry in the heap is skipped when its time comes

    def next_us(self) -> int | None:
        """Return the time of the next key; None without one."""
        queue = self._queue
        while queue and self._at_us.get(queue[0][2]) != queue[0][:2]:
            heappop(queue)
        return queue[0][0] if queue else None

    def waits_us(self, now_us: int) -> tuple[tuple[str, int], ...]:
        """Return each key and how long it still waits, in the order in which they are taken."""
        queued = sorted((at_us, added, key) for key, (at_us, added) in self._at_us.items())
        return tuple((key, at_us - now_us) for at_us, _, key in queued)

    def shift(self, by_us: int) -> None:
        """Let every key wait longer."""
        self._at_us = {key: (at_us + by_us, added) for key, (at_us, added) in self._at_us.items()}
        self._queue = sorted((at_us, added, key) for key, (at_us, added) in self._at_us.items())

    def take(self, now_us: int) -> list[str]:
        """Remove and return every key that is due."""
        due: list[str] = []
        queue = self._queue
        while queue and queue[0][0] <= now_us:
            at_us, added, key = heappop(queue)
            if self._at_us.get(key) == (at_us, added):
                del self._at_us[key]
                due.append(key)
        return due
