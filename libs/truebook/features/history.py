"""A market's last ten book changes: what the features of momentum and activity are computed from.

A change is one of the *book*, not of an observation, so that history does not depend on how often we look. The book
given here must be the one that the layout sees (net of our own orders), or our own quotes would look like the
market's moves. What changes neither a best price nor a side's total size (a repeated snapshot, our own order in a
netted book) is no change.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from truebook.book.order_book import OrderBook
from truebook.messages.envelope import BookSide
from truebook.money import ONE_CONTRACT_CENTI

LENGTH: Final = 10


class Change(msgspec.Struct, frozen=True):
    """The book after one change."""

    at_us: int
    bid_cc: int | None
    ask_cc: int | None
    mid_cc: float | None
    """The middle of both, null while a side is missing."""
    bid_centi: int
    """Total size of the bid side."""
    ask_centi: int
    moved_centi: int
    """How much size was added or taken away since the change before, over both sides."""
    moved_log: float
    """ln(1 + contracts moved): taken here, once for each change, since every vector reads the last ten of them."""


class History:
    """The last ``LENGTH`` changes of one market, oldest first."""

    __slots__ = ("_changes",)

    def __init__(self) -> None:
        self._changes: deque[Change] = deque(maxlen=LENGTH)

    def changed(self, book: OrderBook, at_us: int) -> None:
        """Record the book after a change at exchange time ``at_us``; does nothing where nothing has changed."""
        bid, ask = book.best(BookSide.BID), book.best(BookSide.ASK)
        bid_cc, ask_cc = bid[0] if bid else None, ask[0] if ask else None
        bid_centi, ask_centi = book.total_centi(BookSide.BID), book.total_centi(BookSide.ASK)
        moved_centi = 0
        if self._changes:
            last = self._changes[-1]
            if (last.bid_cc, last.ask_cc, last.bid_centi, last.ask_centi) == (bid_cc, ask_cc, bid_centi, ask_centi):
                return
            moved_centi = abs(bid_centi - last.bid_centi) + abs(ask_centi - last.ask_centi)
        mid_cc = (bid_cc + ask_cc) / 2 if bid_cc is not None and ask_cc is not None else None
        moved_log = math.log1p(moved_centi / ONE_CONTRACT_CENTI)
        self._changes.append(Change(at_us, bid_cc, ask_cc, mid_cc, bid_centi, ask_centi, moved_centi, moved_log))

    def clear(self) -> None:
        """Forget everything: after a stale book, what came before says nothing of now."""
        self._changes.clear()

    @property
    def changes(self) -> Sequence[Change]:
        """The changes, oldest first."""
        return self._changes

    def mids_cc(self) -> list[float]:
        """The mid prices of the changes that left a two-sided book, oldest first."""
        return [mid for change in self._changes if (mid := change.mid_cc) is not None]
