"""A market's last ten book changes: the input of the momentum and activity features.

Changes of the *book* are recorded, not observations, so that history does not depend on the throttle. The book must be
the one that the layout reads (net of our own orders); otherwise our own quotes would appear as market moves. An update
that changes neither a best price nor a side's total size (a repeated snapshot, our own order) is not recorded.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Sequence
from math import log1p
from typing import Final

import msgspec

from truebook.book.order_book import OrderBook
from truebook.money import MAX_AMOUNT, ONE_CONTRACT_CENTI

LENGTH: Final = 10
STATE: Final = struct.Struct("5q")
"""Time, best bid, best ask (0 where a side is empty), and both sides' total sizes."""
_PADDING: Final = tuple(STATE.pack(-1, 0, 0, 0, 0) * (LENGTH + 1 - count) for count in range(LENGTH + 2))


class Change(msgspec.Struct, frozen=True):
    """The book after one change."""

    at_us: int
    bid_cc: int | None
    ask_cc: int | None
    mid_cc: float | None
    """The mid price; None while a side is empty."""
    bid_centi: int
    """Total size of the bid side."""
    ask_centi: int
    moved_centi: int
    """Size added and removed since the change before, over both sides."""
    moved_log: float
    """ln(1 + contracts moved): computed once per change, because every vector reads the last ten."""


_State = tuple[int | None, int | None, int, int]
"""Best bid, best ask, and both sides' total sizes."""


class History:
    """The last ``LENGTH`` changes of one market, oldest first; they are computed when they are read."""

    __slots__ = ("_changes", "_newest", "_states")

    def __init__(self) -> None:
        self._states: deque[bytes] = deque(maxlen=LENGTH + 1)
        """Times and books, packed, with the one before the oldest change."""
        self._newest: _State | None = None
        self._changes: list[Change] | None = []

    def copy(self) -> History:
        """Return an independent history with the same changes."""
        copied = History()
        copied._states.extend(self._states)
        copied._newest = self._newest
        copied._changes = self._changes
        return copied

    def changed(self, book: OrderBook, at_us: int) -> None:
        """Record the book after an update at exchange time ``at_us``, if it changed a best price or a total size."""
        state = book.summary()
        if state == self._newest:
            return
        self._newest = state
        self._states.append(_packed(at_us, state))
        self._changes = None

    def changed_often(self, states: Sequence[tuple[int, _State]]) -> None:
        """Record the states after several updates, each of which changed a best price or a total size."""
        for at_us, state in states[-LENGTH - 1 :]:
            self._newest = state
            self._states.append(_packed(at_us, state))
        self._changes = None

    def clear(self) -> None:
        """Drop all changes: those before a stale book do not describe the market after it."""
        self._states.clear()
        self._newest = None
        self._changes = []

    @property
    def changes(self) -> Sequence[Change]:
        """The changes, oldest first."""
        if self._changes is None:
            changes: list[Change] = []
            before: tuple[int, int] | None = None
            for at_us, bid_cc, ask_cc, bid_centi, ask_centi in map(STATE.unpack, self._states):
                moved_centi = 0 if before is None else abs(bid_centi - before[0]) + abs(ask_centi - before[1])
                before = bid_centi, ask_centi
                changes.append(Change(
                    at_us, bid_cc or None, ask_cc or None, (bid_cc + ask_cc) / 2 if bid_cc and ask_cc else None,
                    bid_centi, ask_centi, moved_centi, log1p(moved_centi / ONE_CONTRACT_CENTI),
                ))  # fmt: skip
            self._changes = changes[-LENGTH:]
        return self._changes

    def packed(self) -> bytes:
        """The changes' states as ``LENGTH`` + 1 rows of ``STATE``, oldest first. Rows before
        them have the time -1.

        The first row is the state before the oldest change, if there were so many.
        """
        return _PADDING[len(self._states)] + b"".join(self._states)

    def mids_cc(self) -> list[float]:
        """The mid prices of the changes that left a two-sided book, oldest first."""
        return [mid for change in self.changes if (mid := change.mid_cc) is not None]


def _packed(at_us: int, state: _State) -> bytes:
    bid_cc, ask_cc, bid_centi, ask_centi = state
    try:
        return STATE.pack(at_us, bid_cc or 0, ask_cc or 0, bid_centi, ask_centi)
    except struct.error:  # more contracts than there can be
        return STATE.pack(at_us, bid_cc or 0, ask_cc or 0, min(bid_centi, MAX_AMOUNT), min(ask_centi, MAX_AMOUNT))
