"""When the universe is selected again: soon while places are free, with a growing interval while none is filled.

The interval is measured on the monotonic clock, because it protects the exchange's rate limit. A selection is also due
at the open and close times of followed markets: no frame announces a close.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from truebook.clock import MICROS
from truebook.messages.market_metadata import MarketMetadata, MarketStatus

NEVER_US: Final = 2**62
MIN_PAUSE_FACTOR: Final = 2
"""An interval is at least so many times as long as the last selection took."""


class SelectionSchedule:
    """The time of the next selection; intervals in seconds, times in microseconds."""

    def __init__(self, *, interval_s: float, min_interval_s: float) -> None:
        self.begun_us = 0
        """When the newest selection began (monotonic)."""
        self._interval_s = interval_s
        self._min_interval_s = min_interval_s
        self._next_s = min_interval_s / 2
        self._took_s = 0.0
        self._due_us = 0
        self._transition_us = NEVER_US

    def is_due(self, now_us: int, monotonic_us: int) -> bool:
        """Return whether a selection is due; a transition is reported once."""
        if now_us >= self._transition_us:
            self._transition_us = NEVER_US
            return True
        return monotonic_us >= self._due_us

    def begin(self, monotonic_us: int) -> None:
        """Note that a selection begins; if it fails, the next one follows after the shortest interval."""
        self.begun_us = monotonic_us
        self._due_us = monotonic_us + int(self._min_interval_s * MICROS)

    def soon(self) -> None:
        """Bring the next selection forward, to the shortest interval after the last one."""
        self._next_s = self._shortest_s()
        self._due_us = min(self._due_us, self.begun_us + int(self._next_s * MICROS))

    def end(
        self, followed: Iterable[MarketMetadata], now_us: int, monotonic_us: int, *, is_full: bool, is_changed: bool
    ) -> None:  # fmt: skip
        """Set the next selection: ``followed`` are the selected markets, ``is_full`` is whether no place is free."""
        markets = list(followed)
        times_us = (at_us for each in markets for at_us in (each.open_us, each.close_us) if at_us > now_us)
        self._transition_us = min(times_us, default=NEVER_US)
        self._took_s = (monotonic_us - self.begun_us) / MICROS
        shortest_s = self._shortest_s()
        if any(_is_overdue(each, now_us) for each in markets):
            self._next_s = shortest_s
        elif is_full:
            self._next_s = max(self._interval_s, shortest_s)
        elif is_changed:
            self._next_s = shortest_s
        else:
            self._next_s = max(min(2 * self._next_s, self._interval_s), shortest_s)
        self._due_us = self.begun_us + int(self._next_s * MICROS)

    @property
    def interval_s(self) -> float:
        """The time between the newest selection and the next one, unless something happens."""
        return self._next_s

    def repeat(self, now_us: int, until_us: int, every_us: int) -> None:
        """Take selections that change nothing as made until then; ``is_due`` is called at multiples of an interval.

        ``now_us`` is the newest of these times, of the clock of ``is_due``.
        """
        first_us = now_us + max(1, -(-(self._due_us - now_us) // every_us)) * every_us
        if first_us <= until_us:
            interval_us = int(self._next_s * MICROS)
            step_us = max(1, -(-interval_us // every_us)) * every_us
            self.begun_us = first_us + (until_us - first_us) // step_us * step_us
            self._due_us = self.begun_us + interval_us

    def _shortest_s(self) -> float:
        """Return the shortest interval: long lists take seconds, and are not read one after another."""
        return max(self._min_interval_s, MIN_PAUSE_FACTOR * self._took_s)


def _is_overdue(market: MarketMetadata, now_us: int) -> bool:
    """Return whether the market's open or close time has passed and the exchange has not reported it yet."""
    if market.status is MarketStatus.INITIALIZED:
        return market.open_us <= now_us
    return market.status is MarketStatus.ACTIVE and market.close_us <= now_us
