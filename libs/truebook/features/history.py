"""A market's last ten book changes: the input of the momentum and activity features.

Changes of the *book* are recorded, not observations, so that history does not depend on the throttle. The book must be
the one that the layout reads (net of our own orders); otherwise our own quotes would appear as market moves. An update
that changes neither a best price nor a side's total size (a repeated snapshot, our own order) is not recorded.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from truebook.book.order_book import OrderBook
from truebook.money import ONE_CONTRACT_CENTI

LENGTH: Final = 10


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

    __slots__ = ("_changes", "_states")

    def __init__(self) -> None:
        self._states: deque[tuple[int, _State]] = deque(maxlen=LENGTH + 1)
        """Times and books, with the one before the oldest change."""
        self._changes: list[Change] | None = []

    def copy(self) -> History:
        """Return an independent history with the same changes."""
        copied = History()
        copied._states.extend(self._states)
        copied._changes = self._changes
        return copied

    def changed(self, book: OrderBook, at_us: int) -> None:
        """Record the book after an update at exchange time ``at_us``, if it changed a best price or a total size."""
        state, states = book.summary(), self._states
        if states and states[-1][1] == state:
            return
        states.append((at_us, state))
        self._changes = None

    def changed_often(self, states: Sequence[tuple[int, _State]]) -> None:
        """Record the states after several updates, each of which changed a best price or a total size."""
        self._states.extend(states)
        self._changes = None

    def clear(self) -> None:
        """Drop all changes: those before a stale book do not describe the market after it."""
        self._states.clear()
        self._changes = []

    @property
    def changes(self) -> Sequence[Change]:
        """The changes, oldest first."""
        if self._changes is None:
            before = None
            changes = []
            for at_us, state in self._states:
                changes.append(_change(at_us, state, before))
                before = state
            self._changes = changes[-LENGTH:]
        return self._changes

    def mids_cc(self) -> list[float]:
        """The mid prices of the changes that left a two-sided book, oldest first."""
        return [mid for change in self.changes if (mid := change.mid_cc) is not None]


def _change(at_us: int, state: _State, before: _State | None) -> Change:
    bid_cc, ask_cc, bid_centi, ask_centi = state
    moved_centi = 0 if before is None else abs(bid_centi - before[2]) + abs(ask_centi - before[3])
    mid_cc = (bid_cc + ask_cc) / 2 if bid_cc is not None and ask_cc is not None else None
    moved_log = math.log1p(moved_centi / ONE_CONTRACT_CENTI)
    return Change(at_us, bid_cc, ask_cc, mid_cc, bid_centi, ask_centi, moved_centi, moved_log)
