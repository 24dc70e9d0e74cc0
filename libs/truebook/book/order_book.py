"""One market's order book on the YES leg, at full depth.

A NO bid at p is a YES ask at $1 - p; ingest converts it before. Prices are in 1/10,000 dollar (up to 9,999 levels a
side: nothing assumes cents), sizes in 1/100 contract. The book is never truncated: the next delta of a dropped level
would start from 0. It reads no clock and has no sequence numbers.

A side is a map of price to size beside a sorted list of its prices. Nearly every change is of an existing level and
every reader needs the best one, so both are one look-up; a new level costs a bisection and a memmove.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable
from typing import NamedTuple

from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC

_BID, _ASK = BookSide.BID, BookSide.ASK


class BookError(Exception):
    """A change that no valid book can have, with its ``reason``. The book is unchanged."""

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


class Changed(NamedTuple):
    """What ``OrderBook.change_levels`` applied."""

    states: list[tuple[int, tuple[int | None, int | None, int, int]]]
    """After each change: its time, and ``OrderBook.summary``."""
    shrunk: list[tuple[int, int, int, int]]
    """Decreases of watched levels: number of the change, level, and its size before and after."""


class OrderBook:
    """Bids and asks, each at full depth."""

    __slots__ = ("_asks", "_bids")

    def __init__(self, bids: Iterable[tuple[int, int]] = (), asks: Iterable[tuple[int, int]] = ()) -> None:
        self.replace(bids, asks)

    def replace(self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]) -> None:
        """Apply a snapshot: all levels in any order; those of size 0 are skipped.

        Raises ``BookError`` (``negative_size``, ``off_grid``, ``crossed_book``) and then changes nothing.
        """
        new_bids, new_asks = _read_levels(bids), _read_levels(asks)
        if new_bids.prices and new_asks.prices and new_bids.prices[-1] >= new_asks.prices[0]:
            best_bid, best_ask = new_bids.prices[-1], new_asks.prices[0]
            raise BookError(Reason.CROSSED_BOOK, f"best bid {best_bid} cc, best ask {best_ask} cc")
        self._bids, self._asks = new_bids, new_asks

    def set_level(self, side: BookSide, price_cc: int, size_centi: int) -> None:
        """Set a level's total; 0 removes it. Raises ``BookError`` (``negative_size``, ``off_grid``)."""
        sizes = (self._bids if side is _BID else self._asks).sizes
        self.change_level(side, price_cc, size_centi - sizes.get(price_cc, 0))

    def change_level(self, side: BookSide, price_cc: int, delta_centi: int) -> int:
        """Add a signed change to a level and return its new total.

        Raises ``BookError`` (``negative_size``, ``off_grid``). Use ``is_crossed`` to check for a crossed book, since
        the exchange may send the two halves of one trade in two messages.
        """
        levels = self._bids if side is _BID else self._asks
        sizes = levels.sizes
        old_centi = sizes.get(price_cc)
        if old_centi is None:
            if not MIN_PRICE_CC <= price_cc <= MAX_PRICE_CC:
                raise _off_grid(price_cc)
            if delta_centi == 0:
                return 0
            old_centi = 0
            if delta_centi > 0:
                insort(levels.prices, price_cc)
        total = old_centi + delta_centi
        if total > 0:
            sizes[price_cc] = total
        elif total == 0:
            del sizes[price_cc]
            del levels.prices[bisect_left(levels.prices, price_cc)]
        else:
            raise BookError(Reason.NEGATIVE_SIZE, f"{side} {price_cc} cc would hold {total}")
        levels.total_centi += delta_centi
        return total

    def change_levels(self, changes: Iterable[tuple[int, int, int]], watched: Collection[int] = ()) -> Changed:
        """Apply changes (time, level, signed change) in order, up to the first that is not ordinary; see ``Changed``.

        A level is its price, an ask's negative. Not ordinary is what ``change_level`` refuses, what crosses the book,
        and a change by 0: the caller handles it, and this book does not have it.
        """
        bids, asks = self._bids, self._asks
        bid_sizes, bid_prices, bid_centi = bids.sizes, bids.prices, bids.total_centi
        ask_sizes, ask_prices, ask_centi = asks.sizes, asks.prices, asks.total_centi
        found = Changed([], [])
        states, shrunk = found
        for at_us, level_cc, delta_centi in changes:
            if level_cc > 0:
                sizes, prices, price_cc = bid_sizes, bid_prices, level_cc
            else:
                sizes, prices, price_cc = ask_sizes, ask_prices, -level_cc
            total = sizes.get(price_cc, 0) + delta_centi
            if delta_centi > 0:
                is_new = total == delta_centi
                if is_new and not MIN_PRICE_CC <= price_cc <= MAX_PRICE_CC:
                    break
                if is_new:
                    insort(prices, price_cc)
                if bid_prices and ask_prices and bid_prices[-1] >= ask_prices[0]:
                    if is_new:
                        del prices[bisect_left(prices, price_cc)]
                    break
                sizes[price_cc] = total
            else:
                if total < 0 or not delta_centi:
                    break
                if total:
                    sizes[price_cc] = total
                else:
                    del sizes[price_cc]
                    del prices[bisect_left(prices, price_cc)]
                if level_cc in watched:
                    shrunk.append((len(states), level_cc, total - delta_centi, total))
            if level_cc > 0:
                bid_centi += delta_centi
            else:
                ask_centi += delta_centi
            bid_cc = bid_prices[-1] if bid_prices else None
            ask_cc = ask_prices[0] if ask_prices else None
            states.append((at_us, (bid_cc, ask_cc, bid_centi, ask_centi)))
        bids.total_centi, asks.total_centi = bid_centi, ask_centi
        return found

    def is_crossed(self) -> bool:
        """Return whether the best bid reaches the best ask."""
        bids, asks = self._bids.prices, self._asks.prices
        return bool(bids) and bool(asks) and bids[-1] >= asks[0]

    def best(self, side: BookSide) -> tuple[int, int] | None:
        """Return the best level as (price_cc, size_centi), or None where the side is empty."""
        levels = self._bids if side is _BID else self._asks
        if not levels.prices:
            return None
        price_cc = levels.prices[-1 if side is _BID else 0]
        return price_cc, levels.sizes[price_cc]

    def best_prices_cc(self) -> tuple[int | None, int | None]:
        """Return the best prices (bid, ask); None where a side is empty."""
        bids, asks = self._bids.prices, self._asks.prices
        return bids[-1] if bids else None, asks[0] if asks else None

    def levels(self, side: BookSide, depth: int | None = None) -> list[tuple[int, int]]:
        """List up to ``depth`` levels (None: all) as (price_cc, size_centi), best first."""
        levels = self._bids if side is _BID else self._asks
        prices, sizes = levels.prices, levels.sizes
        if side is _BID:
            prices = prices[: -1 - depth : -1] if depth is not None else prices[::-1]
        elif depth is not None:
            prices = prices[:depth]
        return [(price_cc, sizes[price_cc]) for price_cc in prices]

    def top_centi(self, side: BookSide, depth: int) -> int:
        """Return the total size of a side's best ``depth`` (at least 1) levels."""
        levels = self._bids if side is _BID else self._asks
        sizes = levels.sizes
        return sum(
            [sizes[price_cc] for price_cc in (levels.prices[-depth:] if side is _BID else levels.prices[:depth])]
        )

    def top(self) -> tuple[int, int, int, int, int, int, int, int]:
        """Return the best bid's price and size, the best ask's, and the sizes of both sides' best three and of all.

        All are 0 if a side is empty: this is what the features of many markets read, in one call.
        """
        bids, asks = self._bids, self._asks
        bid_prices, bid_sizes, bid_total = bids.prices, bids.sizes, bids.total_centi
        ask_prices, ask_sizes, ask_total = asks.prices, asks.sizes, asks.total_centi
        if not bid_prices or not ask_prices:
            return 0, 0, 0, 0, 0, 0, 0, 0
        bid_cc, ask_cc = bid_prices[-1], ask_prices[0]
        bid_centi, ask_centi = bid_sizes[bid_cc], ask_sizes[ask_cc]
        best_bids, best_asks = bid_total, ask_total
        if len(bid_prices) > 3:
            best_bids = bid_centi + bid_sizes[bid_prices[-2]] + bid_sizes[bid_prices[-3]]
        if len(ask_prices) > 3:
            best_asks = ask_centi + ask_sizes[ask_prices[1]] + ask_sizes[ask_prices[2]]
        return bid_cc, bid_centi, ask_cc, ask_centi, best_bids, best_asks, bid_total, ask_total

    def largest(self) -> tuple[int, int]:
        """Return the number of levels, and the total size of the three largest, over both sides."""
        sizes = [*self._bids.sizes.values(), *self._asks.sizes.values()]
        sizes.sort()
        return len(sizes), sum(sizes[-3:])

    def sizes(self, side: BookSide) -> list[int]:
        """List the sizes of all levels of a side, in no particular order."""
        return list((self._bids if side is _BID else self._asks).sizes.values())

    def size_at(self, side: BookSide, price_cc: int) -> int:
        """Return a level's total, 0 where there is none."""
        return (self._bids if side is _BID else self._asks).sizes.get(price_cc, 0)

    def total_centi(self, side: BookSide) -> int:
        """Return the total size of a side; maintained incrementally, hence cheap."""
        return (self._bids if side is _BID else self._asks).total_centi

    def summary(self) -> tuple[int | None, int | None, int, int]:
        """Return the best prices (bid, ask; None where a side is empty) and the sides' total sizes."""
        bids, asks = self._bids, self._asks
        return (
            bids.prices[-1] if bids.prices else None, asks.prices[0] if asks.prices else None,
            bids.total_centi, asks.total_centi,
        )  # fmt: skip

    def level_count(self, side: BookSide) -> int:
        """Return the number of levels of a side."""
        return len((self._bids if side is _BID else self._asks).prices)

    def copy(self) -> OrderBook:
        """Return an independent book with the same levels."""
        copied = OrderBook.__new__(OrderBook)
        copied._bids, copied._asks = self._bids.copy(), self._asks.copy()
        return copied

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OrderBook):
            return NotImplemented
        return self._bids.sizes == other._bids.sizes and self._asks.sizes == other._asks.sizes

    __hash__ = None  # type: ignore[assignment]  # a book is mutable

    def __repr__(self) -> str:
        levels = f"{self.level_count(_BID)}+{self.level_count(_ASK)}"
        return f"OrderBook(bid={self.best(_BID)}, ask={self.best(_ASK)}, levels={levels})"


def net_of(book: OrderBook, own: Iterable[tuple[BookSide, int, int]]) -> OrderBook:
    """Copy the book without our own working orders, given as (side, price_cc, remaining_centi).

    Order and book updates are asynchronous: an own order that the book does not contain (yet, or any more) reduces a
    level to 0 at most.
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
