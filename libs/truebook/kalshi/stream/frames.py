"""Decode WebSocket frames into the events of ``kalshi.port``. Pure: text in, event out.

Truebook always subscribes with ``use_yes_price`` false, so NO levels have NO prices and become YES asks at 1 - p here;
for a recording that was made with true, pass the argument. Three outcomes: an event (``OtherFrame`` for a type that is
not used or not known), None for an empty line, ``FrameError`` for what can't be parsed, with ``sid``, ``seq`` and
ticker where those can: an invalid frame has still used its sequence number, and concerns one market.

Nearly all frames are deltas, so they take one typed decode and two dictionary lookups.
"""

from __future__ import annotations

from typing import Final

import msgspec

from truebook.decoding import UNREADABLE
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
from truebook.kalshi.wire import frames as on_wire
from truebook.kalshi.wire import times, translate
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketStatus
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
    """Decode one frame. ``received_us`` is copied to the event; ``use_yes_price`` is that of the subscription."""
    try:
        frame = _decode(text)
        if type(frame) is on_wire.WireDelta:
            return _delta(frame, received_us, use_yes_price)
        return _other(frame, received_us, use_yes_price)
    except UNREADABLE as error:
        return _unread(text, received_us, error)
    except WireFormatError as error:
        raise _frame_error(text, error) from error


def _delta(frame: on_wire.WireDelta, received_us: int, use_yes_price: bool) -> DeltaFrame:
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
        case on_wire.WireSnapshot():
            return _snapshot(frame, received_us, use_yes_price)
        case on_wire.WireTrade():
            return _trade(frame, received_us)
        case on_wire.WireFill() | on_wire.WireUserOrder() if frame.msg.is_elsewhere:
            return _unused("another subaccount", frame, received_us, known=True)
        case on_wire.WireFill():
            fill = translate.fill(frame.msg)
            return FillFrame(sid=frame.sid, seq=frame.seq, received_us=received_us, sent_us=_sent(frame), fill=fill)
        case on_wire.WireUserOrder():
            return _user_order(frame, received_us)
        case on_wire.WireLifecycle():
            return _lifecycle(frame, received_us)
        case _:
            return _reply(frame, received_us)


def _snapshot(frame: on_wire.WireSnapshot, received_us: int, use_yes_price: bool) -> SnapshotFrame:
    message = frame.msg
    yes, no = message.yes_dollars_fp, message.no_dollars_fp
    if yes is None and no is None and message.has_another_format():
        raise WireFormatError("orderbook_snapshot: neither side is in the format of 2026, so the book can't be parsed")
    bids, asks = translate.levels(yes, no, no_on_yes_scale=use_yes_price)
    sent_us = _sent(frame)
    return SnapshotFrame(
        sid=frame.sid,
        seq=frame.seq,
        received_us=received_us,
        sent_us=sent_us,
        ticker=message.market_ticker,
        bids=bids,
        asks=asks,
        exchange_us=sent_us,
    )


def _trade(frame: on_wire.WireTrade, received_us: int) -> TradeFrame:
    trade = frame.msg
    if trade.ts_ms is None and trade.ts is None:
        raise WireFormatError("trade: no time")
    return TradeFrame(
        sid=frame.sid,
        seq=frame.seq,
        received_us=received_us,
        sent_us=_sent(frame),
        ticker=trade.market_ticker,
        trade_id=trade.trade_id,
        price_cc=translate.level_price_cc(trade.yes_price_dollars),
        size_centi=translate.size_centi(trade.count_fp),
        taker_side=translate.book_side(trade.taker_book_side, trade.taker_outcome_side or trade.taker_side, "trade"),
        exchange_us=trade.ts_ms * 1000 if trade.ts_ms is not None else times.from_unix_s(trade.ts or 0),
        block=trade.is_block_trade,
    )


def _user_order(frame: on_wire.WireUserOrder, received_us: int) -> StreamEvent:
    if frame.msg.status == "unknown":
        # The exchange does not know the state yet: there is nothing to report about the order.
        return _unused("user_order", frame, received_us, known=True)
    order = translate.order(frame.msg)
    return OrderFrame(sid=frame.sid, seq=frame.seq, received_us=received_us, sent_us=_sent(frame), order=order)


def _lifecycle(frame: on_wire.WireLifecycle, received_us: int) -> LifecycleFrame:
    message = frame.msg
    status = _STATUS_AFTER.get(message.event_type)
    if message.event_type == "deactivated" and message.is_deactivated is False:
        status = MarketStatus.ACTIVE
    return LifecycleFrame(
        sid=frame.sid,
        seq=frame.seq,
        received_us=received_us,
        sent_us=_sent(frame),
        ticker=message.market_ticker,
        event_type=message.event_type,
        close_us=times.from_unix_s(message.close_ts) if message.close_ts else None,  # 0: not set
        settlement_cc=translate.settlement_cc(message.settlement_value, message.result or ""),
        status=status,
        price_ranges=translate.price_ranges(message.price_ranges) if message.price_ranges else None,
    )


def _reply(frame: on_wire.Reply, received_us: int) -> StreamEvent:
    sid, seq, sent_us = frame.sid, frame.seq, _sent(frame)
    match frame:
        case on_wire.WireSubscribed():
            sid = frame.msg.sid if frame.msg.sid is not None else sid
            if sid is None:
                raise WireFormatError("subscribed: no sid")
            return Subscribed(
                sid=sid, seq=seq, received_us=received_us, sent_us=sent_us,
                command_id=frame.id or 0, channel=frame.msg.channel,
            )  # fmt: skip
        case on_wire.WireOk():
            tickers = frame.msg.market_tickers if isinstance(frame.msg, on_wire.OkMessage) else None
            return CommandOk(
                sid=sid, seq=seq, received_us=received_us, sent_us=sent_us,
                command_id=frame.id or 0, tickers=tuple(tickers or ()),
            )  # fmt: skip
        case on_wire.WireUnsubscribed():
            return Unsubscribed(sid=sid, seq=seq, received_us=received_us, sent_us=sent_us, command_id=frame.id)
        case on_wire.WireError():
            return StreamError(
                sid=sid, seq=seq, received_us=received_us, sent_us=sent_us,
                command_id=frame.id, code=frame.msg.code, message=frame.msg.msg,
            )  # fmt: skip


def _unread(text: str | bytes, received_us: int, error: Exception) -> StreamEvent | None:
    """Classify what the typed decoder refused: an empty line, an unused type, or an invalid frame."""
    if not text.strip():
        return None
    try:
        head = _decode_head(text)
    except UNREADABLE:
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
    except UNREADABLE:
        return None


def _unused(kind: str, frame: on_wire.Envelope | on_wire.Head, received_us: int, *, known: bool) -> OtherFrame:
    return OtherFrame(
        sid=frame.sid, seq=frame.seq, received_us=received_us, sent_us=_sent(frame), type=kind, known=known
    )


def _sent(frame: on_wire.Envelope | on_wire.Head) -> int | None:
    return _sent_us(frame.sending_ts_ms)


def _sent_us(sending_ts_ms: int | None) -> int | None:
    return sending_ts_ms * 1000 if sending_ts_ms is not None else None
