"""Keys that wait for their time. Asking who is due costs by those who are, not by all who wait.

Each key waits once: adding it again changes nothing until it was taken out. Keys come out by their time, and among
equals in the order in which they were added.
"""

from __future__ import annotations

from heapq import heappop, heappush


class Waiting:
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
        """Let a key wait until ``at_us``; one that waits already goes on as it did."""
        if key in self._at_us:
            return
        self._added += 1
        self._at_us[key] = at_us, self._added
        heappush(self._queue, (at_us, self._added, key))

    def discard(self, key: str) -> None:
        """Let a key wait no more."""
        self._at_us.pop(key, None)  # its place in the queue goes when its time comes

    def take(self, now_us: int) -> list[str]:
        """Take out every key whose time has come."""
        due: list[str] = []
        queue = self._queue
        while queue and queue[0][0] <= now_us:
            at_us, added, key = heappop(queue)
            if self._at_us.get(key) == (at_us, added):
                del self._at_us[key]
                due.append(key)
        return due
