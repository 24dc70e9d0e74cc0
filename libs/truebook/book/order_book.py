"""One market's order book on the YES leg, at full depth.

A NO bid at p is a YES ask at $1 - p; ingest has turned it round before a level comes here. Prices are centi-cents
(up to 9,999 levels a side: nothing assumes cents), sizes hundredths of a contract. The book is never cut: a level
that is forgotten would later be changed from 0. It does not read clocks and knows nothing of sequence numbers.

A side is a map of price to size beside a sorted list of its prices. Nearly every change meets a level that is there
already and every reader asks for the best one, so both are one look-up; a new level costs a bisection and a memmove.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC

_BID, _ASK = BookSide.BID, BookSide.ASK


class BookError(Exception):
    """A change that no true book can undergo; ``reason`` says which way. The book is as it was before the change."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class _Levels:
    """One side: ``sizes`` by price, ``prices`` ascending, ``total_centi`` over all levels. A size of 0 has no level."""

    __slots__ = ("prices", "sizes", "total_centi")

    def __init__(self, sizes: dict[int, int], prices: list[int], total_centi: int) -> None:
        self.sizes = sizes
        self.prices = prices
        self.total_centi = total_centi

    def copy(self) -> _Levels:
        return _Levels(self.sizes.copy(), self.prices.copy(), self.total_centi)


class OrderBook:
    """Bids and asks, each at full depth."""

    __slots__ = ("_asks", "_bids")

    def __init__(self, bids: Iterable[tuple[int, int]] = (), asks: Iterable[tuple[int, int]] = ()) -> None:
        self.replace(bids, asks)

    def replace(self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]) -> None:
        """Take a snapshot: the whole book anew, in any order; levels of size 0 are left out.

        Raises ``BookError`` (``negative_size``, ``off_grid``, ``crossed_book``) and then changes nothing.
        """
        new_bids, new_asks = _read_levels(bids), _read_levels(asks)
        if new_bids.prices and new_asks.prices and new_bids.prices[-1] >= new_asks.prices[0]:
            best_bid, best_ask = new_bids.prices[-1], new_asks.prices[0]
            raise BookError(Reason.CROSSED_BOOK, f"best bid {best_bid} cc, best ask {best_ask} cc")
        self._bids, self._asks = new_bids, new_asks

    def set_level(self, side: BookSide, price_cc: int, size_centi: int) -> None:
        """Set a level's total; 0 removes it. Raises ``BookError`` (``negative_size``, ``off_grid``)."""
        self.change_level(side, price_cc, size_centi - self.size_at(side, price_cc))

    def change_level(self, side: BookSide, price_cc: int, delta_centi: int) -> int:
        """Add a signed change to a level and answer its new total.

        Raises ``BookError`` (``negative_size``, ``off_grid``); whether the change crosses the book is asked apart,
        by ``is_crossed``, since an exchange may tell the two halves of one trade in two messages.
        """
        levels = self._bids if side is _BID else self._asks
        sizes = levels.sizes
        held = sizes.get(price_cc)
        if held is None:
            if not MIN_PRICE_CC <= price_cc <= MAX_PRICE_CC:
                raise _off_grid(price_cc)
            if delta_centi == 0:
                return 0
            held = 0
            if delta_centi > 0:
                insort(levels.prices, price_cc)
        total = held + delta_centi
        if total > 0:
            sizes[price_cc] = total
        elif total == 0:
            del sizes[price_cc]
            del levels.prices[bisect_left(levels.prices, price_cc)]
        else:
            raise BookError(Reason.NEGATIVE_SIZE, f"{side} {price_cc} cc would hold {total}")
        levels.total_centi += delta_centi
        return total

    def is_crossed(self) -> bool:
        """Tell whether the best bid reaches the best ask."""
        bids, asks = self._bids.prices, self._asks.prices
        return bool(bids) and bool(asks) and bids[-1] >= asks[0]

    def best(self, side: BookSide) -> tuple[int, int] | None:
        """Answer the best level as (price_cc, size_centi), or null where the side is empty."""
        levels = self._bids if side is _BID else self._asks
        if not levels.prices:
            return None
        price_cc = levels.prices[-1 if side is _BID else 0]
        return price_cc, levels.sizes[price_cc]

    def levels(self, side: BookSide, depth: int | None = None) -> list[tuple[int, int]]:
        """List up to ``depth`` levels (all, where null) as (price_cc, size_centi), best first."""
        levels = self._bids if side is _BID else self._asks
        prices, sizes = levels.prices, levels.sizes
        if side is _BID:
            prices = prices[: -1 - depth : -1] if depth is not None else prices[::-1]
        elif depth is not None:
            prices = prices[:depth]
        return [(price_cc, sizes[price_cc]) for price_cc in prices]

    def top_centi(self, side: BookSide, depth: int) -> int:
        """Answer the sum of the sizes of a side's best ``depth`` levels, at least one."""
        levels = self._bids if side is _BID else self._asks
        sizes = levels.sizes
        return sum(
            [sizes[price_cc] for price_cc in (levels.prices[-depth:] if side is _BID else levels.prices[:depth])]
        )

    def sizes(self, side: BookSide) -> list[int]:
        """List the sizes of all levels of a side, in no particular order."""
        return list((self._bids if side is _BID else self._asks).sizes.values())

    def size_at(self, side: BookSide, price_cc: int) -> int:
        """Answer a level's total, 0 where there is none."""
        return (self._bids if side is _BID else self._asks).sizes.get(price_cc, 0)

    def total_centi(self, side: BookSide) -> int:
        """Answer the sum of all sizes of a side; kept up to date, so that asking is cheap."""
        return (self._bids if side is _BID else self._asks).total_centi

    def level_count(self, side: BookSide) -> int:
        """Answer how many levels a side has."""
        return len((self._bids if side is _BID else self._asks).prices)

    def copy(self) -> OrderBook:
        """Make an independent book with the same levels."""
        twin = OrderBook.__new__(OrderBook)
        twin._bids, twin._asks = self._bids.copy(), self._asks.copy()
        return twin

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OrderBook):
            return NotImplemented
        return self._bids.sizes == other._bids.sizes and self._asks.sizes == other._asks.sizes

    __hash__ = None  # type: ignore[assignment]  # a book changes

    def __repr__(self) -> str:
        levels = f"{self.level_count(_BID)}+{self.level_count(_ASK)}"
        return f"OrderBook(bid={self.best(_BID)}, ask={self.best(_ASK)}, levels={levels})"


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


def _read_levels(levels: Iterable[tuple[int, int]]) -> _Levels:
    sizes: dict[int, int] = {}
    for price_cc, size_centi in levels:
        if not MIN_PRICE_CC <= price_cc <= MAX_PRICE_CC:
            raise _off_grid(price_cc)
        if size_centi < 0:
            raise BookError(Reason.NEGATIVE_SIZE, f"{price_cc} cc holds {size_centi}")
        if size_centi:
            sizes[price_cc] = size_centi
    return _Levels(sizes, sorted(sizes), sum(sizes.values()))


def _off_grid(price_cc: int) -> BookError:
    return BookError(Reason.OFF_GRID, f"price {price_cc} cc is outside {MIN_PRICE_CC}..{MAX_PRICE_CC}")
