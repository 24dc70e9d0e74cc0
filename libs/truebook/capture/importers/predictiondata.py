"""Import the tables ``complete`` and ``trades`` of predictiondata.dev.

Books are those of the YES leg. An update states a level's new size, which becomes a change here: the size before it is
kept for each market from file to file. ``local_timestamp`` is the time of receipt in nanoseconds.
Source of the columns: docs.predictiondata.dev/datasets/kalshi (complete, trades).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from truebook.capture.event_types import CapturedEvent, SkippedFrame, SkipReason
from truebook.capture.importers.source import BytesRead, ReceiptOrder
from truebook.capture.importers.tables import Row, convert, read_rows, value_of
from truebook.capture.importers.values import absolute_centi, dollars_cc, positive_centi, rfc3339_us, side, time_us
from truebook.capture.manifest import CaptureError
from truebook.kalshi.port import DeltaFrame, SnapshotFrame, StreamEvent, TradeFrame
from truebook.messages.envelope import BookSide
from truebook.money import WireFormatError

COMPLETE_COLUMN: Final = "message_type"
"""A column that only the table ``complete`` has."""
COLUMN: Final = "local_timestamp"
"""A column of both tables."""
Levels = tuple[tuple[int, int], ...]


def book_events(paths: Sequence[Path], counter: BytesRead) -> Iterator[CapturedEvent]:
    """Iterate over the books of files in order, usually one market's; raises ``CaptureError``."""
    order, books = ReceiptOrder(), _Books()
    for path in paths:
        last: Row = {}
        for place, row in read_rows(path, counter):
            if row == last:
                raise CaptureError(f"{path}, {place}: the previous row again; remove the duplicate")
            last = row
            captured = convert(path, place, row, books.event)
            order.check(captured.at_us, path, place)
            yield captured


def trade_events(paths: Sequence[Path], counter: BytesRead) -> Iterator[CapturedEvent]:
    """Iterate over the trades of one market's files, in order; raises ``CaptureError``."""
    order, count = ReceiptOrder(), 0
    for path in paths:
        last: Row = {}
        for place, row in read_rows(path, counter):
            if row == last:
                raise CaptureError(f"{path}, {place}: the previous row again; remove the duplicate")
            last = row
            count += 1
            trade = convert(path, place, row, partial(_trade, number=count))
            order.check(trade.received_us, path, place)
            yield CapturedEvent(trade.received_us, 0, trade)


class _Books:
    """The sizes of each market's levels since its first snapshot."""

    def __init__(self) -> None:
        self._sizes: dict[str, dict[tuple[BookSide, int], int]] = {}

    def event(self, row: Row) -> CapturedEvent:
        """Return the event of a row; raises ``WireFormatError``."""
        at_us = time_us(value_of(row, COLUMN), "nanoseconds", COLUMN)
        kind = value_of(row, COMPLETE_COLUMN)
        if kind == "snapshot":
            return CapturedEvent(at_us, 0, self._snapshot(row, at_us))
        if kind == "price_level_update":
            return CapturedEvent(at_us, 0, self._update(row, at_us))
        raise WireFormatError(f"{COMPLETE_COLUMN}: {kind!r} is neither snapshot nor price_level_update")

    def _snapshot(self, row: Row, at_us: int) -> SnapshotFrame:
        bids, asks = (_levels(row, name) for name in ("bid", "ask"))
        ticker = str(value_of(row, "ticker"))
        self._sizes[ticker] = {
            (book_side, price_cc): size_centi
            for book_side, levels in ((BookSide.BID, bids), (BookSide.ASK, asks))
            for price_cc, size_centi in levels
        }
        return SnapshotFrame(
            sid=None, seq=None, received_us=at_us, ticker=ticker,
            bids=tuple(sorted(bids, reverse=True)), asks=tuple(sorted(asks)), exchange_us=_exchange_us(row),
        )  # fmt: skip

    def _update(self, row: Row, at_us: int) -> StreamEvent | SkippedFrame:
        price_cc = dollars_cc(value_of(row, "price_level_update_price"), "price_level_update_price")
        size_centi = absolute_centi(value_of(row, "price_level_update_quantity"), "price_level_update_quantity")
        book_side = side(value_of(row, "price_level_update_side"), "price_level_update_side")
        ticker = str(value_of(row, "ticker"))
        sizes = self._sizes.get(ticker)
        if sizes is None:
            return SkippedFrame(SkipReason.NOT_FOLLOWED)
        before_centi = sizes.get((book_side, price_cc), 0)
        if size_centi == before_centi:
            return SkippedFrame(SkipReason.REPEATED)
        sizes[book_side, price_cc] = size_centi
        return DeltaFrame(
            sid=None, seq=None, received_us=at_us, ticker=ticker, book_side=book_side,
            price_cc=price_cc, delta_centi=size_centi - before_centi, exchange_us=_exchange_us(row),
        )  # fmt: skip


def _levels(row: Row, name: str) -> Levels:
    prices, sizes = (
        [one for one in str(value_of(row, f"snapshot_{name}_{what}") or "").split(",") if one.strip()]
        for what in ("prices", "sizes")
    )
    if len(prices) != len(sizes):
        raise WireFormatError(f"snapshot_{name}_prices: {len(prices)} prices, but {len(sizes)} sizes")
    levels = (
        (dollars_cc(price.strip(), f"snapshot_{name}_prices"), absolute_centi(size.strip(), f"snapshot_{name}_sizes"))
        for price, size in zip(prices, sizes, strict=True)
    )
    return tuple((price_cc, size_centi) for price_cc, size_centi in levels if size_centi)


def _trade(row: Row, number: int) -> TradeFrame:
    """Return a trade; the table has no ids, so that the time and the number of the trade make one."""
    at_us = time_us(value_of(row, COLUMN), "nanoseconds", COLUMN)
    ticker = str(value_of(row, "ticker"))
    return TradeFrame(
        sid=None, seq=None, received_us=at_us, ticker=ticker, trade_id=f"{at_us}-{number}",
        price_cc=dollars_cc(value_of(row, "price"), "price"),
        size_centi=positive_centi(value_of(row, "quantity"), "quantity"),
        taker_side=side(value_of(row, "taker_side"), "taker_side"), exchange_us=_exchange_us(row) or at_us,
    )  # fmt: skip


def _exchange_us(row: Row) -> int | None:
    """Read the exchange's time: text in CSV, microseconds in Parquet, empty where it is not known."""
    value = row.get("exchange_timestamp")
    if value is None or value == "":
        return None
    if isinstance(value, int):
        return time_us(value, "microseconds", "exchange_timestamp")
    return rfc3339_us(value, "exchange_timestamp")
