"""Reads what the scripts store: records by MessagePack into the rules' own structs, totals from decimal strings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from truebook.ledger.port import AccountView, Limits, SettleFill, StoreCorrupt
from truebook.ledger.rules_state import Fill, Market, Order, Totals, most_severe
from truebook.ledger.rules_view import account_view, fenced

T = TypeVar("T")
_orders = msgspec.msgpack.Decoder(Order)
_markets = msgspec.msgpack.Decoder(Market)
_fills = msgspec.msgpack.Decoder(Fill)
_limits = msgspec.msgpack.Decoder(Limits)
_TOTALS = tuple((name, name.encode()) for name in Totals.__struct_fields__)
_NO_LIMITS = msgspec.msgpack.encode(Limits())


def order_of(record: bytes) -> Order:
    """Read an order's record."""
    return _decoded(_orders, record)


def market_of(record: bytes) -> Market:
    """Read a market's record."""
    return _decoded(_markets, record)


def fills_of(reply: Sequence[Any]) -> tuple[SettleFill, ...]:
    """Read the reply of ``parked_fills``: by the exchange's order id, then by trade id."""
    parked = [
        SettleFill(
            trade_id=trade_id.decode(),
            order_id=exchange_order_id.decode(),
            ticker=fill.ticker,
            book_side=fill.book_side,
            price_cc=fill.price_cc,
            size_centi=fill.size_centi,
            fee_micros=fill.fee_micros,
        )
        for exchange_order_id, records in _pairs(reply)
        for trade_id, fill in ((trade_id, _decoded(_fills, record)) for trade_id, record in _pairs(records))
        if fill.parked
    ]
    return tuple(sorted(parked, key=lambda fill: (fill.order_id, fill.trade_id)))


def account_of(account: Sequence[bytes], holds: Sequence[bytes]) -> AccountView:
    """Read the account's hash and its holds."""
    stored = dict(_pairs(account))
    limits = _decoded(_limits, stored.pop(b"limits", _NO_LIMITS))
    hold_modes = [_hold(name, value) for name, value in _pairs(holds)]
    try:
        totals = Totals(**{name: int(stored.get(field, 0)) for name, field in _TOTALS})
        view = account_view(
            totals,
            opened=stored.get(b"opened") == b"1",
            ledger_seq=int(stored.get(b"seq", 0)),
            mode=most_severe((mode for _, mode, _ in hold_modes), totals),
            clock_us=int(stored.get(b"clock_us", 0)),
            holds=hold_modes,
            limits=limits,
        )
    except ValueError as error:
        raise StoreCorrupt(f"the account's stored totals can't be read: {error}") from error
    return fenced(view) if b"restorer" in stored else view


def _hold(name: bytes, value: bytes) -> tuple[str, str, str]:
    mode, _, owner = value.decode().partition(":")
    return name.decode(), mode, owner


def _decoded(decoder: msgspec.msgpack.Decoder[T], record: bytes) -> T:
    try:
        return decoder.decode(record)
    except msgspec.MsgspecError as error:
        raise StoreCorrupt(f"a stored record can't be read: {error}") from error


def _pairs(flat: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    """Read a flat reply of names and values."""
    return zip(flat[::2], flat[1::2], strict=True)
