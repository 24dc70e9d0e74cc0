"""Token bucket: a rate limit that never waits.

Integer arithmetic in micro-tokens: at ``refill_per_s`` tokens a second, one microsecond adds ``refill_per_s``
micro-tokens, so nothing is lost to rounding.
"""

from __future__ import annotations

from typing import Final

_MICRO: Final = 1_000_000


class TokenBucket:
    """Holds up to ``capacity`` tokens, full at first."""

    def __init__(self, capacity: int, refill_per_s: int) -> None:
        if capacity < 1 or refill_per_s < 0:
            raise ValueError(f"a bucket needs a capacity of at least 1, got {capacity=} {refill_per_s=}")
        self.capacity = capacity
        self._refill_per_s = refill_per_s
        self._level_micro = capacity * _MICRO
        self._at_us: int | None = None

    def take(self, cost: int, now_us: int, keep: int = 0) -> bool:
        """Take ``cost`` tokens if at least ``keep`` remain after it, else none; ``keep`` is reserved for other callers.

        A time before the last one counts as the last one.
        """
        if cost < 0 or keep < 0:
            raise ValueError(f"cost and keep must be at least 0, got {cost=} {keep=}")
        self._refill(now_us)
        if self._level_micro < (cost + keep) * _MICRO:
            return False
        self._level_micro -= cost * _MICRO
        return True

    def available(self, now_us: int) -> int:
        """Return the number of whole tokens."""
        self._refill(now_us)
        return self._level_micro // _MICRO

    def drain(self, now_us: int) -> None:
        """Empty the bucket: the exchange has reported that the limit is reached (429)."""
        self._refill(now_us)
        self._level_micro = 0

    def change(self, capacity: int, refill_per_s: int, now_us: int) -> None:
        """Take other limits from now on; tokens above the new capacity are lost."""
        if capacity < 1 or refill_per_s < 0:
            raise ValueError(f"a bucket needs a capacity of at least 1, got {capacity=} {refill_per_s=}")
        self._refill(now_us)
        self.capacity, self._refill_per_s = capacity, refill_per_s
        self._level_micro = min(self._level_micro, capacity * _MICRO)

    def _refill(self, now_us: int) -> None:
        if self._at_us is None:
            self._at_us = now_us
        elapsed_us = max(0, now_us - self._at_us)
        self._at_us += elapsed_us
        self._level_micro = min(self.capacity * _MICRO, self._level_micro + elapsed_us * self._refill_per_s)
