"""Frames of the exchange's WebSocket, decoded into the events of ``kalshi.port``. Pure: text in, event out.

Truebook always subscribes with ``use_yes_price`` false, so NO levels arrive at their NO price and become YES asks at
1 - p here; a recording that was made with true says so by the argument. Three outcomes: an event (``OtherFrame`` for a
type that is not used or not known), null for an empty line, ``FrameError`` for what can't be read, with ``sid``,
``seq`` and ticker wherever those are readable: a broken frame has still used up its number, and is about one market.

Deltas are nearly all there is, so they take one typed decode and two dictionary look-ups.
"""

from __future__ import annotations

from typing import Final

import msgspec

from truebook.kalshi import frames_wire as on_wire
from truebook.kalshi import times, translate
from truebook.kalshi.port import (
    CommandOk,
    DeltaFrame,
    FillFrame,
    FrameError,
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
from truebook.messages.facts import MarketStatus
from truebook.money import ONE_DOLLAR_CC, WireFormatError

KNOWN_UNUSED: Final = frozenset(
    {
        "ticker", "market_position", "order_group_updates", "event_lifecycle", "event_fee_update",
        "multivariate_market_lifecycle", "rfq_created", "rfq_deleted", "quote_created", "quote_accepted",
        "quote_executed",
    }
)  # fmt: skip
"""Documented types that Truebook does not act on."""

_STATUS_AFTER: Final = {
    "created": MarketStatus.INITIALIZED,
    "activated": MarketStatus.ACTIVE,
    "deactivated": MarketStatus.INACTIVE,
    "determined": MarketStatus.DETERMINED,
    "settled": MarketStatus.FINALIZED,
}

_decode = msgspec.json.Decoder(on_wire.Used).decode
_decode_head = msgspec.json.Decoder(on_wire.Head).decode
_bid, _ask = BookSide.BID, BookSide.ASK


def decode_frame(text: str | bytes, received_us: int, *, use_yes_price: bool = False) -> StreamEvent | None:
    """Read one frame. ``received_us`` is passed through; ``use_yes_price`` is what the subscription asked for."""
    try:
        frame = _decode(text)
        if type(frame) is on_wire.Delta:
            return _delta(frame, received_us, use_yes_price)
        return _other(frame, received_us, use_yes_price)
    except msgspec.DecodeError as error:
        return _unread(text, received_us, error)
    except WireFormatError as error:
        raise _frame_error(text, error) from error


def _delta(frame: on_wire.Delta, received_us: int, use_yes_price: bool) -> DeltaFrame:
    change = frame.msg
    price_cc = translate.level_price_cc(change.price_dollars)
    if change.side == "yes":
        side = _bid
    else:
        side = _ask
        if not use_yes_price:
            price_cc = ONE_DOLLAR_CC - price_cc
    exchange_us = None
    if change.ts_ms is not None:
        exchange_us = change.ts_ms * 1000
    elif change.ts is not None:
        exchange_us = times.from_rfc3339(change.ts, "ts")
    return DeltaFrame(
        sid=frame.sid,
        seq=frame.seq,
        received_us=received_us,
        sent_us=_sent_us(frame.sending_ts_ms),
        ticker=change.market_ticker,
        book_side=side,
        price_cc=price_cc,
        delta_centi=translate.size_centi(change.delta_fp),
        exchange_us=exchange_us,
        client_order_id=change.client_order_id,
    )


def _other(frame: on_wire.NotDelta, received_us: int, use_yes_price: bool) -> StreamEvent:
    match frame:
        case on_wire.Snapshot():
            return _snapshot(frame, received_us, use_yes_price)
        case on_wire.Trade():
            return _trade(frame, received_us)
        case on_wire.Fill():
            fill = translate.fill(frame.msg)
            return FillFrame(sid=frame.sid, seq=frame.seq, received_us=received_us, sent_us=_sent(frame), fill=fill)
        case on_wire.UserOrder():
            return _user_order(frame, received_us)
        case on_wire.Lifecycle():
            return _lifecycle(frame, received_us)
        case _:
            return _answer(frame, received_us)


def _snapshot(frame: on_wire.Snapshot, received_us: int, use_yes_price: bool) -> SnapshotFrame:
    told = frame.msg
    yes, no = told.yes_dollars_fp, told.no_dollars_fp
    if yes is None and no is None and told.has_another_format():
        raise WireFormatError("orderbook_snapshot: neither side is in the format of 2026; this is not an empty book")
    bids, asks = translate.levels(yes, no, no_on_yes_scale=use_yes_price)
    sent_us = _sent(frame)
    return SnapshotFrame(
        sid=frame.sid,
        seq=frame.seq,
        received_us=received_us,
        sent_us=sent_us,
        ticker=told.market_ticker,
        bids=bids,
        asks=asks,
        exchange_us=sent_us,
    )


def _trade(frame: on_wire.Trade, received_us: int) -> TradeFrame:
    told = frame.msg
    if told.ts_ms is None and told.ts is None:
        raise WireFormatError("trade: no time")
    return TradeFrame(
        sid=frame.sid,
        seq=frame.seq,
        received_us=received_us,
        sent_us=_sent(frame),
        ticker=told.market_ticker,
        trade_id=told.trade_id,
        price_cc=translate.level_price_cc(told.yes_price_dollars),
        size_centi=translate.size_centi(told.count_fp),
        taker_side=translate.book_side(told.taker_book_side, told.taker_outcome_side or told.taker_side, "trade"),
        exchange_us=told.ts_ms * 1000 if told.ts_ms is not None else times.from_unix_s(told.ts or 0),
        block=told.is_block_trade,
    )


def _user_order(frame: on_wire.UserOrder, received_us: int) -> StreamEvent:
    if frame.msg.status == "unknown":
        # The exchange itself does not know yet: no fact about the order, so none is made up.
        return _unused("user_order", frame, received_us, known=True)
    order = translate.order(frame.msg)
    return OrderFrame(sid=frame.sid, seq=frame.seq, received_us=received_us, sent_us=_sent(frame), order=order)


def _lifecycle(frame: on_wire.Lifecycle, received_us: int) -> LifecycleFrame:
    told = frame.msg
    status = _STATUS_AFTER.get(told.event_type)
    if told.event_type == "deactivated" and told.is_deactivated is False:
        status = MarketStatus.ACTIVE
    return LifecycleFrame(
        sid=frame.sid,
        seq=frame.seq,
        received_us=received_us,
        sent_us=_sent(frame),
        ticker=told.market_ticker,
        event_type=told.event_type,
        close_us=times.from_unix_s(told.close_ts) if told.close_ts is not None else None,
        settlement_cc=translate.settlement_cc(told.settlement_value, told.result or ""),
        status=status,
    )


def _answer(frame: on_wire.Answer, received_us: int) -> StreamEvent:
    sid, seq, sent_us = frame.sid, frame.seq, _sent(frame)
    match frame:
        case on_wire.Subscribed():
            sid = frame.msg.sid if frame.msg.sid is not None else sid
            if sid is None:
                raise WireFormatError("subscribed: no sid")
            return Subscribed(
                sid=sid, seq=seq, received_us=received_us, sent_us=sent_us,
                command_id=frame.id or 0, channel=frame.msg.channel,
            )  # fmt: skip
        case on_wire.Ok():
            tickers = frame.msg.market_tickers if isinstance(frame.msg, on_wire.OkMessage) else None
            return CommandOk(
                sid=sid, seq=seq, received_us=received_us, sent_us=sent_us,
                command_id=frame.id or 0, tickers=tuple(tickers or ()),
            )  # fmt: skip
        case on_wire.Unsubscribed():
            return Unsubscribed(sid=sid, seq=seq, received_us=received_us, sent_us=sent_us, command_id=frame.id)
        case on_wire.Error():
            return StreamError(
                sid=sid, seq=seq, received_us=received_us, sent_us=sent_us,
                command_id=frame.id, code=frame.msg.code, message=frame.msg.msg,
            )  # fmt: skip


def _unread(text: str | bytes, received_us: int, error: msgspec.DecodeError) -> StreamEvent | None:
    """Sort what the typed decoder refused: an empty line, a type that is not used, or a broken frame."""
    if not text.strip():
        return None
    try:
        head = _decode_head(text)
    except msgspec.DecodeError:
        raise FrameError(f"not a frame: {error}") from error
    if head.type in on_wire.USED_TYPES:
        raise FrameError(f"{head.type}: {error}", head.sid, head.seq, _ticker_of(head)) from error
    if not head.type:
        raise FrameError("a frame without a type", head.sid, head.seq) from error
    return _unused(head.type, head, received_us, known=head.type in KNOWN_UNUSED)


def _frame_error(text: str | bytes, error: WireFormatError) -> FrameError:
    head = _decode_head(text)
    return FrameError(f"{head.type}: {error}", head.sid, head.seq, _ticker_of(head))


def _ticker_of(head: on_wire.Head) -> str | None:
    try:
        return msgspec.json.decode(head.msg, type=on_wire.HeadMessage).market_ticker
    except msgspec.DecodeError:
        return None


def _unused(kind: str, frame: on_wire.Envelope | on_wire.Head, received_us: int, *, known: bool) -> OtherFrame:
    return OtherFrame(
        sid=frame.sid, seq=frame.seq, received_us=received_us, sent_us=_sent(frame), type=kind, known=known
    )


def _sent(frame: on_wire.Envelope | on_wire.Head) -> int | None:
    return _sent_us(frame.sending_ts_ms)


def _sent_us(sending_ts_ms: int | None) -> int | None:
    return sending_ts_ms * 1000 if sending_ts_ms is not None else None
