"""One market's order book on the YES leg, at full depth.

A NO bid at p is a YES ask at $1 - p; ingest has turned it round before a level comes here. Prices are centi-cents
(up to 9,999 levels a side: nothing assumes cents), sizes hundredths of a contract. The book is never cut: a level
that is forgotten would later be changed from 0. It does not read clocks and knows nothing of sequence numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from sortedcontainers import SortedDict

from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC


class BookError(Exception):
    """A change that no true book can undergo; ``reason`` says which way. The book is as it was before the change."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class OrderBook:
    """Bids and asks as sorted maps of price to size; a level of size 0 does not exist."""

    __slots__ = ("_ask_centi", "_asks", "_bid_centi", "_bids")

    def __init__(self, bids: Iterable[tuple[int, int]] = (), asks: Iterable[tuple[int, int]] = ()) -> None:
        self._bids: Any = SortedDict()
        self._asks: Any = SortedDict()
        self.replace(bids, asks)

    def replace(self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]) -> None:
        """Take a snapshot: the whole book anew, in any order; levels of size 0 are left out.

        Raises ``BookError`` (``negative_size``, ``off_grid``, ``crossed_book``) and then changes nothing.
        """
        new_bids, new_asks = _sorted_levels(bids), _sorted_levels(asks)
        if new_bids and new_asks and new_bids.peekitem(-1)[0] >= new_asks.peekitem(0)[0]:
            best_bid, best_ask = new_bids.peekitem(-1)[0], new_asks.peekitem(0)[0]
            raise BookError(Reason.CROSSED_BOOK, f"best bid {best_bid} cc, best ask {best_ask} cc")
        self._bids, self._asks = new_bids, new_asks
        self._bid_centi: int = sum(new_bids.values())
        self._ask_centi: int = sum(new_asks.values())

    def set_level(self, side: BookSide, price_cc: int, size_centi: int) -> None:
        """Set a level's total; 0 removes it. Raises ``BookError`` (``negative_size``, ``off_grid``)."""
        self.change_level(side, price_cc, size_centi - self.size_at(side, price_cc))

    def change_level(self, side: BookSide, price_cc: int, delta_centi: int) -> int:
        """Add a signed change to a level and answer its new total.

        Raises ``BookError`` (``negative_size``, ``off_grid``); whether the change crosses the book is asked apart,
        by ``is_crossed``, since an exchange may tell the two halves of one trade in two messages.
        """
        _check_price(price_cc)
        is_bid = side is BookSide.BID
        levels = self._bids if is_bid else self._asks
        total: int = levels.get(price_cc, 0) + delta_centi
        if total > 0:
            levels[price_cc] = total
        elif total == 0:
            levels.pop(price_cc, None)
        else:
            raise BookError(Reason.NEGATIVE_SIZE, f"{side} {price_cc} cc would hold {total}")
        if is_bid:
            self._bid_centi += delta_centi
        else:
            self._ask_centi += delta_centi
        return total

    def is_crossed(self) -> bool:
        """Tell whether the best bid reaches the best ask."""
        bids, asks = self._bids, self._asks
        return bool(bids) and bool(asks) and bids.peekitem(-1)[0] >= asks.peekitem(0)[0]

    def best(self, side: BookSide) -> tuple[int, int] | None:
        """Answer the best level as (price_cc, size_centi), or null where the side is empty."""
        levels = self._bids if side is BookSide.BID else self._asks
        if not levels:
            return None
        best: tuple[int, int] = levels.peekitem(-1 if side is BookSide.BID else 0)
        return best

    def levels(self, side: BookSide, depth: int | None = None) -> list[tuple[int, int]]:
        """List up to ``depth`` levels (all, where null) as (price_cc, size_centi), best first."""
        levels = self._bids if side is BookSide.BID else self._asks
        prices = reversed(levels) if side is BookSide.BID else iter(levels)
        return [(price_cc, levels[price_cc]) for price_cc in islice(prices, depth)]

    def size_at(self, side: BookSide, price_cc: int) -> int:
        """Answer a level's total, 0 where there is none."""
        size: int = (self._bids if side is BookSide.BID else self._asks).get(price_cc, 0)
        return size

    def total_centi(self, side: BookSide) -> int:
        """Answer the sum of all sizes of a side; kept up to date, so that asking is cheap."""
        return self._bid_centi if side is BookSide.BID else self._ask_centi

    def level_count(self, side: BookSide) -> int:
        """Answer how many levels a side has."""
        return len(self._bids if side is BookSide.BID else self._asks)

    def copy(self) -> OrderBook:
        """Make an independent book with the same levels."""
        twin = OrderBook.__new__(OrderBook)
        twin._bids, twin._asks = self._bids.copy(), self._asks.copy()
        twin._bid_centi, twin._ask_centi = self._bid_centi, self._ask_centi
        return twin

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OrderBook):
            return NotImplemented
        return bool(self._bids == other._bids and self._asks == other._asks)

    __hash__ = None  # type: ignore[assignment]  # a book changes

    def __repr__(self) -> str:
        best_bid, best_ask = self.best(BookSide.BID), self.best(BookSide.ASK)
        return f"OrderBook(bid={best_bid}, ask={best_ask}, levels={len(self._bids)}+{len(self._asks)})"


def net_of(book: OrderBook, own: Iterable[tuple[BookSide, int, int]]) -> OrderBook:
    """Copy the book without our own working orders, given as (side, price_cc, remaining_centi).

    News of our orders and of the book travel apart: an own order that the book does not show (yet, or any more)
    takes away what is shown, never more.
    """
    net = book.copy()
    for side, price_cc, remaining_centi in own:
        shown_centi = net.size_at(side, price_cc)
        if shown_centi:
            net.set_level(side, price_cc, max(0, shown_centi - remaining_centi))
    return net


def _sorted_levels(levels: Iterable[tuple[int, int]]) -> Any:
    kept: dict[int, int] = {}
    for price_cc, size_centi in levels:
        _check_price(price_cc)
        if size_centi < 0:
            raise BookError(Reason.NEGATIVE_SIZE, f"{price_cc} cc holds {size_centi}")
        if size_centi:
            kept[price_cc] = size_centi
    return SortedDict(kept)


def _check_price(price_cc: int) -> None:
    if not MIN_PRICE_CC <= price_cc <= MAX_PRICE_CC:
        raise BookError(Reason.OFF_GRID, f"price {price_cc} cc is outside {MIN_PRICE_CC}..{MAX_PRICE_CC}")
