"""Pairs the trades at one level with the decreases of the level that they caused, one after the other.

A trade is recorded twice: by its own frame, and by a decrease of the maker's level. The two have the same time stamp of
the exchange (milliseconds), side, price and size; side and price are those of the level. They are received in either
order, up to ``PAIRED_WITHIN_US`` apart; equal ones are paired in their order. A frame without a time stamp is paired
with one of equal size. ``backtest.tape.pairing`` does the same for whole columns.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

PAIRED_WITHIN_US: Final = 5_000_000
"""Frames received later than this after each other are not paired. Seen: up to 0.7 s."""
MILLISECOND_US: Final = 1_000


class Seen(NamedTuple):
    """A decrease of a level, or a trade at it."""

    at_us: int
    size_centi: int
    """Negative: a decrease; else a trade."""
    exchange_us: int | None
    """None or 0: unknown."""


class LevelPairing:
    """The decreases and trades of one level that have no partner so far."""

    __slots__ = ("_decreases", "_trades", "decreases")

    def __init__(self) -> None:
        self.decreases = 0
        """Number of decreases so far, which is the number of the next one."""
        self._decreases: deque[tuple[Seen, int]] = deque()
        self._trades: deque[tuple[Seen, int]] = deque()

    def add(self, seen: Seen) -> int | None:
        """Take a frame and return its partner's number, which counts decreases; a trade's own is 0. None: none yet."""
        is_decrease = seen.size_centi < 0
        others, own = (self._trades, self._decreases) if is_decrease else (self._decreases, self._trades)
        number = self.decreases if is_decrease else 0
        self.decreases += is_decrease
        since_us = seen.at_us - PAIRED_WITHIN_US
        for waiting in (others, own):
            while waiting and waiting[0][0].at_us < since_us:
                waiting.popleft()
        for place, (other, other_number) in enumerate(others):
            if other.size_centi == -seen.size_centi and _is_same_time(other.exchange_us, seen.exchange_us):
                del others[place]
                return other_number
        own.append((seen, number))
        return None


def _is_same_time(one_us: int | None, other_us: int | None) -> bool:
    return not one_us or not other_us or one_us // MILLISECOND_US == other_us // MILLISECOND_US
