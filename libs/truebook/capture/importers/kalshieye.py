"""Import the Parquet datasets of KalshiEye: ``book_l2``, ``trades``, and the reference ``markets`` and ``settlements``.

``book_l2`` has the exchange's yes and no bids. Its size is a signed change, or in the rows with ``is_snapshot`` a
level's size: snapshot rows of a market with one ``ts_recv`` are one book, and a row without a side is an empty book.
Source: the client ``kalshieye`` 0.2.3 (README, ``replay_book``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import msgspec
from cachetools import FIFOCache

from truebook.capture.event_types import CapturedEvent, SkippedFrame, SkipReason
from truebook.capture.events import MAX_KNOWN_TRADES
from truebook.capture.importers.source import BytesRead, ReceiptOrder
from truebook.capture.importers.tables import Row, convert, read_rows, value_of
from truebook.capture.importers.values import (
    absolute_centi,
    contracts_centi,
    dollars_cc,
    optional_number,
    positive_centi,
    rfc3339_us,
    side,
    time_us,
)
from truebook.capture.manifest import CaptureError
from truebook.kalshi.port import DeltaFrame, SnapshotFrame, TradeFrame
from truebook.kalshi.wire import translate
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import LINEAR_CENT, MarketMetadata
from truebook.money import WireFormatError, no_price
from truebook.venue.assumed_market import assumed_metadata

BOOK_COLUMNS: Final = ("ts_recv", "is_snapshot")
"""Columns that only ``book_l2`` has."""


def book_events(paths: Sequence[Path], counter: BytesRead) -> Iterator[CapturedEvent]:
    """Iterate over the books of files in order; raises ``CaptureError``."""
    order = ReceiptOrder()
    for path in paths:
        last: Row = {}
        for (at_us, ticker, is_snapshot), rows in _messages(path, counter):
            order.check(at_us, path, rows[0][0])
            if is_snapshot:
                yield CapturedEvent(at_us, 0, _snapshot(path, rows, ticker, at_us))
                continue
            for place, row in rows:
                if row == last and row.get("seq") is not None:
                    raise CaptureError(f"{path}, {place}: the previous row again; remove the duplicate")
                last = row
                yield CapturedEvent(at_us, 0, convert(path, place, row, _delta))


def trade_events(paths: Sequence[Path], counter: BytesRead) -> Iterator[CapturedEvent]:
    """Iterate over the trades of files in order; raises ``CaptureError``."""
    order = ReceiptOrder()
    known: FIFOCache[str, None] = FIFOCache(MAX_KNOWN_TRADES)
    for path in paths:
        last_id = ""
        for place, row in read_rows(path, counter):
            trade = convert(path, place, row, _trade)
            order.check(trade.received_us, path, place)
            if trade.trade_id == last_id:
                raise CaptureError(f"{path}, {place}: the trade of the previous row again; remove the duplicate")
            last_id = trade.trade_id
            is_known = trade.trade_id in known
            known[trade.trade_id] = None
            repeated = SkippedFrame(SkipReason.DUPLICATE_TRADE)
            yield CapturedEvent(trade.received_us, 0, repeated if is_known else trade)


def market_metadata(paths: Sequence[Path]) -> Mapping[str, MarketMetadata]:
    """Read the markets; fees and grids are not in the files and assumed."""
    rows = ((path, *placed) for path in paths for placed in read_rows(path, BytesRead()))
    return {one.ticker: one for one in (convert(path, place, row, _market) for path, place, row in rows)}


def outcomes(paths: Sequence[Path]) -> Mapping[str, int]:
    """Read the settlement values, in 1/100 cent by ticker."""
    rows = ((path, *placed) for path in paths for placed in read_rows(path, BytesRead()))
    values = (convert(path, place, row, _settlement) for path, place, row in rows)
    return {ticker: settlement_cc for ticker, settlement_cc in values if settlement_cc is not None}


def _messages(path: Path, counter: BytesRead) -> Iterator[tuple[tuple[int, str, bool], list[tuple[str, Row]]]]:
    """Group the rows that follow one another with the same time, market and kind."""
    keyed = ((convert(path, place, row, _message), (place, row)) for place, row in read_rows(path, counter))
    for key, group in groupby(keyed, lambda one: one[0]):
        yield key, [placed for _, placed in group]


def _message(row: Row) -> tuple[int, str, bool]:
    """Return what the rows of one message share; each delta row is a message as well."""
    is_snapshot = value_of(row, "is_snapshot")
    if not isinstance(is_snapshot, bool):
        raise WireFormatError(f"is_snapshot: {is_snapshot!r} is neither true nor false")
    return _time(row, "ts_recv"), str(value_of(row, "ticker")), is_snapshot


def _snapshot(path: Path, rows: Sequence[tuple[str, Row]], ticker: str, at_us: int) -> SnapshotFrame:
    levels: dict[BookSide, list[tuple[int, int]]] = {BookSide.BID: [], BookSide.ASK: []}
    for place, row in rows:
        if row.get("side") is not None:
            book_side, price_cc, size_centi = convert(path, place, row, partial(_level, size_of=absolute_centi))
            if any(price_cc == other_cc for other_cc, _ in levels[book_side]):
                raise CaptureError(f"{path}, {place}: the level is in this snapshot already; remove the duplicate")
            levels[book_side].append((price_cc, size_centi))
    return SnapshotFrame(
        sid=None, seq=None, received_us=at_us, ticker=ticker, bids=tuple(sorted(levels[BookSide.BID], reverse=True)),
        asks=tuple(sorted(levels[BookSide.ASK])), exchange_us=None,
    )  # fmt: skip


def _level(row: Row, size_of: Callable[[object, str], int]) -> tuple[BookSide, int, int]:
    """Return side, YES price and size of a level: a NO bid at p is a YES ask at 1 - p."""
    book_side = side(value_of(row, "side"), "side")
    price_cc = dollars_cc(value_of(row, "price"), "price")
    return (
        book_side,
        price_cc if book_side is BookSide.BID else no_price(price_cc),
        size_of(value_of(row, "size"), "size"),
    )


def _delta(row: Row) -> DeltaFrame:
    book_side, price_cc, delta_centi = _level(row, contracts_centi)
    return DeltaFrame(
        sid=None, seq=None, received_us=_time(row, "ts_recv"), ticker=str(value_of(row, "ticker")), book_side=book_side,
        price_cc=price_cc, delta_centi=delta_centi, exchange_us=_optional_time(row, "ts_exchange", "ts"),
    )  # fmt: skip


def _trade(row: Row) -> TradeFrame:
    at_us = _time(row, "ts_recv", "ts", "created_time")
    return TradeFrame(
        sid=None, seq=None, received_us=at_us, ticker=str(value_of(row, "ticker")),
        trade_id=str(value_of(row, "trade_id")), price_cc=dollars_cc(value_of(row, "yes_price", "price"), "price"),
        size_centi=positive_centi(value_of(row, "size", "count"), "size"),
        taker_side=side(value_of(row, "taker_side"), "taker_side"),
        exchange_us=_optional_time(row, "ts_exchange", "ts", "created_time") or at_us,
    )  # fmt: skip


def _market(row: Row) -> MarketMetadata:
    ticker = str(value_of(row, "ticker"))
    open_us, close_us = (_time(row, name, name.replace("_time", "_ts")) for name in ("open_time", "close_time"))
    assumed = assumed_metadata(ticker, open_us, close_us, LINEAR_CENT)
    known = ("open_us", "close_us", *(name for name in ("event", "series") if row.get(f"{name}_ticker")))
    return msgspec.structs.replace(
        assumed, event=row.get("event_ticker") or assumed.event, series=row.get("series_ticker") or assumed.series,
        strike=optional_number(row.get("floor_strike", row.get("strike")), "floor_strike"),
        assumed=tuple(name for name in assumed.assumed if name not in known),
    )  # fmt: skip


def _settlement(row: Row) -> tuple[str, int | None]:
    value = row.get("settlement_value")
    text = None if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
    return str(value_of(row, "ticker")), translate.settlement_cc(text, str(row.get("result") or ""))


def _time(row: Row, *names: str) -> int:
    found = _optional_time(row, *names)
    if found is None:
        raise WireFormatError(f"no time in {' or '.join(names)}; there are {', '.join(row)}")
    return found


def _optional_time(row: Row, *names: str) -> int | None:
    name, value = next(((name, row[name]) for name in names if row.get(name) is not None), ("", None))
    if value is None:
        return None
    return time_us(value, "microseconds", name) if isinstance(value, int) else rfc3339_us(_text(value), name)


def _text(value: Any) -> str:
    return str(value)
