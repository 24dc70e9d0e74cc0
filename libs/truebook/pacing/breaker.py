"""A circuit breaker per key: too many failures in a window stop that key for a cooldown; then one probe decides.

    closed ──errors (or slows) in the window──▶ open ──cooldown over──▶ half-open (one probe) ──failed──▶ open
       ▲                                                                    │
       └──────────────── succeeded, or a window without failure ────────────┘

Closing restarts the count, so that a recovered key is not stopped by its old failures. A success does not clear the
count of a closed breaker: a key that fails every second time is failing.
"""

from __future__ import annotations

from collections import deque


class _Circuit:
    """One key's record."""

    __slots__ = ("errors", "opened_us", "probe_us", "slows")

    def __init__(self) -> None:
        self.errors: deque[int] = deque()
        self.slows: deque[int] = deque()
        self.opened_us: int | None = None
        self.probe_us: int | None = None


class Breaker:
    """Opens after ``errors`` failures within ``window_us``, or after ``slows`` slow passes (0: never for slowness)."""

    def __init__(self, errors: int, window_us: int, cooldown_us: int, slows: int = 0) -> None:
        if errors < 1 or window_us < 1 or cooldown_us < 1 or slows < 0:
            raise ValueError(f"a breaker needs positive numbers, got {errors=} {window_us=} {cooldown_us=} {slows=}")
        self._errors, self._slows = errors, slows
        self._window_us, self._cooldown_us = window_us, cooldown_us
        self._circuits: dict[str, _Circuit] = {}

    def allows(self, key: str, now_us: int) -> bool:
        """Return whether to go ahead. After the cooldown the first caller is the probe; the others wait for it."""
        circuit = self._circuits.get(key)
        if circuit is None or circuit.opened_us is None:
            return True
        if circuit.probe_us is not None:
            if now_us < circuit.probe_us + self._window_us:
                return False
            del self._circuits[key]
            return True
        if now_us < circuit.opened_us + self._cooldown_us:
            return False
        circuit.probe_us = now_us
        return True

    def failed(self, key: str, now_us: int) -> bool:
        """Count a failure; return whether it opened the breaker."""
        circuit = self._circuits.setdefault(key, _Circuit())
        return self._count(circuit, circuit.errors, self._errors, now_us)

    def slow(self, key: str, now_us: int) -> bool:
        """Count a slow pass; return whether it opened the breaker."""
        circuit = self._circuits.setdefault(key, _Circuit())
        return self._count(circuit, circuit.slows, self._slows, now_us)

    def succeeded(self, key: str) -> None:
        """Report a success: closes a half-open breaker at once."""
        circuit = self._circuits.get(key)
        if circuit is not None and circuit.probe_us is not None:
            del self._circuits[key]

    @property
    def not_closed(self) -> int:
        """Number of keys whose breaker is open or half-open."""
        return sum(circuit.opened_us is not None for circuit in self._circuits.values())

    def reset(self, key: str) -> None:
        """Close a key's breaker and drop its record."""
        self._circuits.pop(key, None)

    def _count(self, circuit: _Circuit, times: deque[int], limit: int, now_us: int) -> bool:
        if limit == 0 or (circuit.opened_us is not None and circuit.probe_us is None):
            return False
        times.append(now_us)
        while times[0] <= now_us - self._window_us:
            times.popleft()
        if circuit.probe_us is None and len(times) < limit:
            return False
        circuit.errors.clear()
        circuit.slows.clear()
        circuit.opened_us, circuit.probe_us = now_us, None
        return True
