"""At most one pass per key and interval.

A pass counts as soon as it is given, whatever becomes of it: a failing order is throttled like a good one. A refused
attempt does not push the next pass away. So that the last change of a burst is never lost, the caller keeps the
newest refused item of a key and comes back at ``ready_at``.
"""

from __future__ import annotations


class Throttle:
    """Remembers the last pass of each key; ``forget`` keeps the memory bounded by the keys in use."""

    def __init__(self, interval_us: int) -> None:
        if interval_us < 0:
            raise ValueError(f"interval_us must be at least 0, got {interval_us}")
        self._interval_us = interval_us
        self._last_us: dict[str, int] = {}
        self.passed = 0
        self.refused = 0

    def ready_at(self, key: str, now_us: int) -> int:
        """Answer when the next pass will be given: now, or the end of the running interval."""
        last_us = self._last_us.get(key)
        return now_us if last_us is None else max(now_us, last_us + self._interval_us)

    def attempt(self, key: str, now_us: int) -> bool:
        """Take a pass if there is one now; both answers are counted."""
        if self.ready_at(key, now_us) > now_us:
            self.refused += 1
            return False
        self._last_us[key] = now_us
        self.passed += 1
        return True

    def waiting(self, now_us: int) -> int:
        """Answer for how many keys there is no pass now."""
        return sum(last_us + self._interval_us > now_us for last_us in self._last_us.values())

    def forget(self, key: str) -> None:
        """Drop a key that is no longer in use; its next attempt passes."""
        self._last_us.pop(key, None)
