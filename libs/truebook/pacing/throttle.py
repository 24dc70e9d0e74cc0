"""At most one pass per key and interval.

A pass counts when it is given, whatever follows: a failing order is throttled like a good one. A refused attempt does
not delay the next pass. To lose no last change of a burst, the caller keeps the newest refused item of a key and
returns at ``ready_at``.
"""

from __future__ import annotations


class Throttle:
    """Stores the last pass of each key; ``drop`` bounds it by the keys in use."""

    def __init__(self, interval_us: int) -> None:
        if interval_us < 0:
            raise ValueError(f"interval_us must be at least 0, got {interval_us}")
        self._interval_us = interval_us
        self._last_us: dict[str, int] = {}

    def ready_at(self, key: str, now_us: int) -> int:
        """Return when the next pass can be given: now, or the end of the running interval."""
        last_us = self._last_us.get(key)
        return now_us if last_us is None else max(now_us, last_us + self._interval_us)

    def attempt(self, key: str, now_us: int) -> bool:
        """Take a pass if there is one now; return whether there was."""
        if self.ready_at(key, now_us) > now_us:
            return False
        self._last_us[key] = now_us
        return True

    def waiting(self, now_us: int) -> int:
        """Return the number of keys without a pass now."""
        return sum(last_us + self._interval_us > now_us for last_us in self._last_us.values())

    def shift(self, by_us: int) -> None:
        """Move every pass to a later time."""
        self._last_us = {key: last_us + by_us for key, last_us in self._last_us.items()}

    def drop(self, key: str) -> None:
        """Drop a key that is no longer in use; its next attempt passes."""
        self._last_us.pop(key, None)
