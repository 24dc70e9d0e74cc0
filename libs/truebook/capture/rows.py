"""A recorded event as rows of integers, and back: what capture format 2 stores, and ``capture.columns`` returns.

An event is one row. A snapshot is followed by one row per level (bids, then asks, each best first); a gap is one row
for each market whose book it makes unknown. Not stored: sequence numbers (gaps are marked instead), the exchange's time
of sending, own client order ids and the content of account frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Final, NamedTuple

import msgspec

from truebook.capture.event_types import BookGap, CapturedEvent, SkippedFrame, SkipReason
from truebook.kalshi.port import (
    CommandOk,
    DeltaFrame,
    FillFrame,
    LifecycleFrame,
    OrderFrame,
    OtherFrame,
    SnapshotFrame,
    StreamError,
    StreamEvent,
    Subscribed,
    TradeFrame,
    Unsubscribed,
)
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketStatus, PriceRange

NO_SID: Final = -1
"""The value of ``sid`` where the source does not state a subscription."""
UNKNOWN_US: Final = 0
"""The value of ``exchange_us`` where the exchange's time is not known."""


class Kind(IntEnum):
    """What a row is. Values are stored in files: they are never changed."""

    OTHER = 0
    """A frame without market data (a reply, an own order or fill, an unused type); ``detail``: its type."""
    SNAPSHOT = 1
    """A new book of the market, which clears both sides; ``size_centi`` is the number of level rows that follow."""
    LEVEL = 2
    """One level of the snapshot before it."""
    DELTA = 3
    """A signed change (``size_centi``) of one level."""
    TRADE = 4
    """A public trade; ``side`` is the taker's, ``detail`` the trade's id."""
    BLOCK_TRADE = 5
    """A trade negotiated outside of the book; it fills nothing."""
    GAP = 6
    """Lost frames: the market's book is unknown until its next snapshot. Market -1: no book was known."""
    LIFECYCLE = 7
    """A market's life-cycle event; ``detail``: its fields as JSON."""
    SKIPPED = 8
    """A recorded frame that must not be applied; ``detail``: reason and error."""


class Side(IntEnum):
    """The book side of a row. Values are stored in files: they are never changed."""

    ASK = -1
    NONE = 0
    BID = 1


class Row(NamedTuple):
    """One row; the names and units are those of the Parquet columns (``capture.columnar.schema``)."""

    at_us: int
    exchange_us: int
    market: str | None
    kind: int
    side: int
    price_cc: int
    size_centi: int
    connection: int
    sid: int
    detail: str | None


class _Lifecycle(msgspec.Struct, omit_defaults=True):
    event_type: str
    close_us: int | None = None
    settlement_cc: int | None = None
    status: MarketStatus | None = None
    price_ranges: tuple[PriceRange, ...] | None = None


_BID, _ASK, _NONE = int(Side.BID), int(Side.ASK), int(Side.NONE)
_SIDE: Final = {BookSide.BID: _BID, BookSide.ASK: _ASK}
_BOOK_SIDE: Final = {_BID: BookSide.BID, _ASK: BookSide.ASK}
_DELTA, _LEVEL = int(Kind.DELTA), int(Kind.LEVEL)
_TYPES: Final[dict[type[StreamEvent], str]] = {
    Subscribed: "subscribed", CommandOk: "ok", Unsubscribed: "unsubscribed", StreamError: "error", FillFrame: "fill",
    OrderFrame: "user_order",
}  # fmt: skip
_decode_lifecycle = msgspec.json.Decoder(_Lifecycle).decode


def rows_of(captured: CapturedEvent) -> list[Row]:
    """Return the rows of an event: one, or more for a snapshot with its levels and a gap of several markets."""
    at_us, connection, event = captured.at_us, captured.connection, captured.event
    match event:
        case DeltaFrame():
            return [
                Row(
                    at_us, event.exchange_us or UNKNOWN_US, event.ticker, _DELTA, _SIDE[event.book_side],
                    event.price_cc, event.delta_centi, connection, _sid(event.sid), None,
                )
            ]  # fmt: skip
        case TradeFrame():
            kind = Kind.BLOCK_TRADE if event.block else Kind.TRADE
            return [
                Row(
                    at_us, event.exchange_us, event.ticker, int(kind), _SIDE[event.taker_side], event.price_cc,
                    event.size_centi, connection, _sid(event.sid), event.trade_id,
                )
            ]  # fmt: skip
        case SnapshotFrame():
            return _snapshot_rows(at_us, connection, event)
        case BookGap():
            sid = _sid(event.sid)
            markets: Iterable[str | None] = event.tickers or (None,)
            return [_plain(at_us, connection, sid, Kind.GAP, market=market) for market in markets]
        case LifecycleFrame():
            fields = _Lifecycle(
                event.event_type, event.close_us, event.settlement_cc, event.status, event.price_ranges
            )  # fmt: skip
            detail = msgspec.json.encode(fields).decode()
            return [_plain(at_us, connection, _sid(event.sid), Kind.LIFECYCLE, market=event.ticker, detail=detail)]
        case SkippedFrame():
            detail = f"{event.reason}: {event.detail}" if event.detail else str(event.reason)
            return [_plain(at_us, connection, NO_SID, Kind.SKIPPED, detail=detail)]
    name = event.type if isinstance(event, OtherFrame) else _TYPES.get(type(event), type(event).__name__)
    return [_plain(at_us, connection, _sid(event.sid), Kind.OTHER, detail=name)]


def events_of(rows: Iterable[Row]) -> Iterator[CapturedEvent]:
    """Return the events of complete rows in order: the inverse of ``rows_of``, but for what is not stored."""
    remaining = iter(rows)
    row = next(remaining, None)
    while row is not None:
        following: Row | None
        if row.kind == _DELTA:
            yield CapturedEvent(row.at_us, row.connection, _delta(row))
            following = next(remaining, None)
        elif row.kind == Kind.SNAPSHOT:
            levels = [next(remaining) for _ in range(row.size_centi)]
            yield CapturedEvent(row.at_us, row.connection, _snapshot(row, levels))
            following = next(remaining, None)
        elif row.kind == Kind.GAP:
            lost, key = [row], (row.at_us, row.connection, row.sid)
            following = next(remaining, None)
            while following is not None and following.kind == Kind.GAP and key == (
                following.at_us, following.connection, following.sid
            ):  # fmt: skip
                lost.append(following)
                following = next(remaining, None)
            tickers = tuple(one.market for one in lost if one.market is not None)
            yield CapturedEvent(row.at_us, row.connection, BookGap(tickers, _optional_sid(row.sid)))
        else:
            yield CapturedEvent(row.at_us, row.connection, _single(row))
            following = next(remaining, None)
        row = following


def lifecycle_of(row: Row) -> LifecycleFrame:
    """Return the life-cycle event of a row of that kind; raises ``msgspec.DecodeError``."""
    fields = _decode_lifecycle(row.detail or "{}")
    return LifecycleFrame(
        sid=_optional_sid(row.sid), seq=None, received_us=row.at_us, ticker=row.market or "",
        event_type=fields.event_type, close_us=fields.close_us, settlement_cc=fields.settlement_cc,
        status=fields.status, price_ranges=fields.price_ranges,
    )  # fmt: skip


def _plain(
    at_us: int, connection: int, sid: int, kind: Kind, *, market: str | None = None, detail: str | None = None
) -> Row:
    return Row(at_us, UNKNOWN_US, market, int(kind), _NONE, 0, 0, connection, sid, detail)


def _snapshot_rows(at_us: int, connection: int, event: SnapshotFrame) -> list[Row]:
    exchange_us, ticker, sid = event.exchange_us or UNKNOWN_US, event.ticker, _sid(event.sid)
    count = len(event.bids) + len(event.asks)
    rows = [Row(at_us, exchange_us, ticker, int(Kind.SNAPSHOT), _NONE, 0, count, connection, sid, None)]
    for side, levels in ((_BID, event.bids), (_ASK, event.asks)):
        rows += [
            Row(at_us, exchange_us, ticker, _LEVEL, side, price_cc, size_centi, connection, sid, None)
            for price_cc, size_centi in levels
        ]
    return rows


def _delta(row: Row) -> DeltaFrame:
    return DeltaFrame(
        sid=_optional_sid(row.sid), seq=None, received_us=row.at_us, ticker=row.market or "",
        book_side=_BOOK_SIDE[row.side], price_cc=row.price_cc, delta_centi=row.size_centi,
        exchange_us=row.exchange_us or None,
    )  # fmt: skip


def _snapshot(row: Row, levels: list[Row]) -> SnapshotFrame:
    return SnapshotFrame(
        sid=_optional_sid(row.sid), seq=None, received_us=row.at_us, ticker=row.market or "",
        bids=tuple((one.price_cc, one.size_centi) for one in levels if one.side == _BID),
        asks=tuple((one.price_cc, one.size_centi) for one in levels if one.side == _ASK),
        exchange_us=row.exchange_us or None,
    )  # fmt: skip


def _single(row: Row) -> StreamEvent | SkippedFrame:
    sid = _optional_sid(row.sid)
    match row.kind:
        case Kind.TRADE | Kind.BLOCK_TRADE:
            return TradeFrame(
                sid=sid, seq=None, received_us=row.at_us, ticker=row.market or "", trade_id=row.detail or "",
                price_cc=row.price_cc, size_centi=row.size_centi, taker_side=_BOOK_SIDE[row.side],
                exchange_us=row.exchange_us, block=row.kind == Kind.BLOCK_TRADE,
            )  # fmt: skip
        case Kind.LIFECYCLE:
            return lifecycle_of(row)
        case Kind.SKIPPED:
            reason, _, detail = (row.detail or "").partition(": ")
            return SkippedFrame(SkipReason(reason), detail)
    return OtherFrame(sid=sid, seq=None, received_us=row.at_us, type=row.detail or "", known=True)


def _sid(sid: int | None) -> int:
    return NO_SID if sid is None else sid


def _optional_sid(sid: int) -> int | None:
    return None if sid == NO_SID else sid
