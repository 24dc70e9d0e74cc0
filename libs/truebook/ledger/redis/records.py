"""Decodes what the scripts store: MessagePack records into the rules' structs, totals from decimal strings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from truebook.ledger.port import AccountView, Adjustment, HoldView, Marks, ShardTransferView, StoreCorrupt
from truebook.ledger.rules.state import (
    LedgerAdjust,
    LedgerFill,
    LedgerMarket,
    LedgerOrder,
    ShardTotals,
    Totals,
    strictest_mode,
)
from truebook.ledger.rules.views import account_view, parked_fill, while_restoring
from truebook.ledger.verbs import Limits, Mode, SettleFill

T = TypeVar("T")


class _Event(msgspec.Struct, frozen=True):
    exclusive: bool | None = None


_orders = msgspec.msgpack.Decoder(LedgerOrder)
_markets = msgspec.msgpack.Decoder(LedgerMarket)
_events = msgspec.msgpack.Decoder(_Event)
_fills = msgspec.msgpack.Decoder(LedgerFill)
_adjusts = msgspec.msgpack.Decoder(Adjustment)
_limits = msgspec.msgpack.Decoder(Limits)
_shards = msgspec.msgpack.Decoder(dict[str, ShardTotals])
_transfers = msgspec.msgpack.Decoder(ShardTransferView)
_TOTALS = tuple((name, name.encode()) for name in Totals.__struct_fields__)
MARKS = (b"mark_day", b"mark_day_start_micros", b"mark_peak_micros", b"mark_last_micros")
"""In the order of ``Marks``; day 0: no marks."""
_NO_LIMITS = msgspec.msgpack.encode(Limits())
_NO_SHARDS = msgspec.msgpack.encode({})


def order_of(record: bytes) -> LedgerOrder:
    """Decode an order's record."""
    return _decoded(_orders, record)


def market_of(record: bytes) -> LedgerMarket:
    """Decode a market's record."""
    return _decoded(_markets, record)


def fills_of(reply: Sequence[Any]) -> tuple[SettleFill, ...]:
    """Decode the reply of ``parked_fills``: sorted by the exchange's order id, then by trade id."""
    parked = [
        parked_fill(exchange_order_id.decode(), trade_id.decode(), fill)
        for exchange_order_id, records in _pairs(reply)
        for trade_id, fill in ((trade_id, _decoded(_fills, record)) for trade_id, record in _pairs(records))
        if fill.parked
    ]
    return tuple(sorted(parked, key=lambda fill: (fill.order_id, fill.trade_id)))


def adjustment_of(record: bytes) -> Adjustment:
    """Decode the record of one adjustment."""
    return _decoded(_adjusts, record)


def adjusts_of(records: Iterable[bytes]) -> Iterable[LedgerAdjust]:
    """Decode the records of adjustments."""
    decoded = (_decoded(_adjusts, record) for record in records)
    return (LedgerAdjust(one.kind, one.amount_micros, one.exchange_index) for one in decoded)


def transfers_of(records: Iterable[bytes]) -> list[ShardTransferView]:
    """Decode the records of transfers between shards, by id."""
    return sorted((_decoded(_transfers, record) for record in records), key=lambda transfer: transfer.transfer_id)


def account_of(account: Sequence[bytes], holds: Sequence[bytes], open_transfers: Iterable[bytes]) -> AccountView:
    """Decode the account's hash, its holds and its open transfers."""
    stored = dict(_pairs(account))
    limits = _decoded(_limits, stored.pop(b"limits", _NO_LIMITS))
    shards = _decoded(_shards, stored.pop(b"shards", _NO_SHARDS))
    try:
        hold_views = holds_of(holds)
        totals = totals_of(account)
        view = account_view(
            totals,
            opened=stored.get(b"opened") == b"1",
            exchange=stored.get(b"exchange", b"").decode(),
            ledger_seq=int(stored.get(b"seq", 0)),
            mode=strictest_mode(((hold.name, hold.mode) for hold in hold_views), totals),
            clock_us=int(stored.get(b"clock_us", 0)),
            holds=hold_views,
            limits=limits,
            marks=_marks(stored),
            shards={int(index): totals for index, totals in shards.items()},
            transfers=transfers_of(open_transfers),
        )
    except ValueError as error:
        raise StoreCorrupt(f"the account's stored totals can't be read: {error}") from error
    return while_restoring(view) if b"restorer" in stored else view


def _marks(stored: Mapping[bytes, bytes]) -> Marks | None:
    day, day_start, peak, last = (int(stored.get(field, 0)) for field in MARKS)
    return Marks(day=day, day_start_micros=day_start, peak_micros=peak, last_micros=last) if day else None


def totals_of(account: Sequence[bytes]) -> Totals:
    """Decode the totals of the account's hash; raises ValueError."""
    stored = dict(_pairs(account))
    return Totals(**{name: int(stored.get(field, 0)) for name, field in _TOTALS})


def holds_of(holds: Sequence[bytes]) -> list[HoldView]:
    """Decode the trading holds."""
    return [_hold(name, value) for name, value in _pairs(holds)]


def exclusive_of(events: Sequence[bytes]) -> dict[str, bool | None]:
    """Decode which events are exclusive, by name."""
    return {name.decode(): _decoded(_events, record).exclusive for name, record in _pairs(events)}


def mode_of(stored: bytes) -> Mode:
    """Decode the stored mode of the holds."""
    try:
        return Mode(stored.decode())
    except ValueError as error:
        raise StoreCorrupt(f"the account's stored mode can't be read: {stored!r}") from error


def _hold(name: bytes, value: bytes) -> HoldView:
    mode, _, owner = value.decode().partition(":")
    return HoldView(name=name.decode(), mode=Mode(mode), owner=owner)


def _decoded(decoder: msgspec.msgpack.Decoder[T], record: bytes) -> T:
    try:
        return decoder.decode(record)
    except msgspec.MsgspecError as error:
        raise StoreCorrupt(f"a stored record can't be read: {error}") from error


def _pairs(flat: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    """Pair a flat reply of names and values."""
    return zip(flat[::2], flat[1::2], strict=True)
