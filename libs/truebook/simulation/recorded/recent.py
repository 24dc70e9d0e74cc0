"""The newest decreases and trades of one recorded market: an order that joins a level must not be filled by older ones.

Each costs one tuple, and a lot of changes one in all; they are looked through only when an order joins a level where
none of ours rests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from truebook.simulation.recorded.pairing import PAIRED_WITHIN_US, Seen


class Lot(NamedTuple):
    """Consecutive changes of a book, in columns of equal length."""

    last_us: int
    at_us: Sequence[int]
    level_cc: Sequence[int]
    """An ask's price is negative."""
    delta_centi: Sequence[int]
    exchange_us: Sequence[int]


_One: TypeAlias = tuple[int, int, int, int | None]
"""Time, level, signed size and the exchange's time."""


class RecentEvents:
    """What was recorded within ``PAIRED_WITHIN_US``; a size is negative for a decrease, else a trade's."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: deque[_One | Lot] = deque()

    def add(self, at_us: int, level_cc: int, size_centi: int, exchange_us: int | None) -> None:
        """Add a decrease or a trade; an ask's level is its negative price."""
        self._entries.append((at_us, level_cc, size_centi, exchange_us))
        self._drop(at_us)

    def add_lot(self, lot: Lot) -> None:
        """Add the decreases among several changes."""
        self._entries.append(lot)
        self._drop(lot.last_us)

    def of_level(self, level_cc: int) -> Iterator[Seen]:
        """Iterate over what is known of a level, oldest first."""
        for entry in self._entries:
            if type(entry) is tuple:
                if entry[1] == level_cc:
                    yield Seen(entry[0], entry[2], entry[3])
                continue
            assert isinstance(entry, Lot)
            place = -1
            for _ in range(entry.level_cc.count(level_cc)):
                place = entry.level_cc.index(level_cc, place + 1)
                if entry.delta_centi[place] < 0:
                    yield Seen(entry.at_us[place], entry.delta_centi[place], entry.exchange_us[place])

    def _drop(self, at_us: int) -> None:
        entries, since_us = self._entries, at_us - PAIRED_WITHIN_US
        while entries[0][0] < since_us:
            entries.popleft()
