"""WebSocket frames as the exchange writes them (AsyncAPI 2.0.0), as far as Truebook reads them.

One tagged union, so that a frame is decoded in one pass. Fields that are documented as required but not needed are not
declared: recordings of early 2026 lack some of them.
"""

from __future__ import annotations

from typing import Any, Final, Literal, Union

import msgspec

from truebook.kalshi.wire import rest_bodies


class Head(msgspec.Struct, kw_only=True):
    """The fields of any frame, even of one whose payload can't be parsed."""

    type: str = ""
    id: int | None = None
    sid: int | None = None
    seq: int | None = None
    sending_ts_ms: int | None = None
    msg: msgspec.Raw = msgspec.Raw(b"{}")


class HeadMessage(msgspec.Struct, kw_only=True):
    """The market of any payload."""

    market_ticker: str | None = None


class Envelope(msgspec.Struct, kw_only=True, tag_field="type"):
    """``seq`` is absent on channels that do not count; ``id`` is present on replies to commands only."""

    id: int | None = None
    sid: int | None = None
    seq: int | None = None
    sending_ts_ms: int | None = None


class DeltaMessage(msgspec.Struct, kw_only=True, gc=False):
    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]
    ts: str | None = None
    ts_ms: int | None = None
    client_order_id: str | None = None


class WireDelta(Envelope, kw_only=True, tag="orderbook_delta", gc=False):
    msg: DeltaMessage


class SnapshotMessage(msgspec.Struct, kw_only=True):
    """An empty side is omitted, so both may be missing; the keys of other formats distinguish that case."""

    market_ticker: str
    yes_dollars_fp: rest_bodies.Levels | None = None
    no_dollars_fp: rest_bodies.Levels | None = None
    yes: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    no: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    yes_dollars: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    no_dollars: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    bid: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    ask: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    def has_another_format(self) -> bool:
        """Return whether levels are in the format of early 2026 or of the perpetuals, which are not supported."""
        others = (self.yes, self.no, self.yes_dollars, self.no_dollars, self.bid, self.ask)
        return any(other is not msgspec.UNSET for other in others)


class WireSnapshot(Envelope, kw_only=True, tag="orderbook_snapshot"):
    msg: SnapshotMessage


class TradeMessage(msgspec.Struct, kw_only=True):
    trade_id: str
    market_ticker: str
    yes_price_dollars: str
    count_fp: str
    taker_side: str | None = None
    taker_outcome_side: str | None = None
    taker_book_side: str | None = None
    is_block_trade: bool = False
    ts: int | None = None
    ts_ms: int | None = None


class WireTrade(Envelope, kw_only=True, tag="trade"):
    msg: TradeMessage


class WireFill(Envelope, kw_only=True, tag="fill"):
    msg: rest_bodies.FillBody


class WireUserOrder(Envelope, kw_only=True, tag="user_order"):
    msg: rest_bodies.OrderBody


class LifecycleMessage(msgspec.Struct, kw_only=True):
    market_ticker: str
    event_type: str
    close_ts: int | None = None
    price_ranges: list[rest_bodies.PriceRangeBody] | None = None
    result: str | None = None
    settlement_value: str | None = None
    is_deactivated: bool | None = None


class WireLifecycle(Envelope, kw_only=True, tag="market_lifecycle_v2"):
    msg: LifecycleMessage


class SubscribedMessage(msgspec.Struct, kw_only=True):
    channel: str
    sid: int | None = None


class WireSubscribed(Envelope, kw_only=True, tag="subscribed"):
    msg: SubscribedMessage


class OkMessage(msgspec.Struct, kw_only=True):
    market_tickers: list[str] | None = None


class WireOk(Envelope, kw_only=True, tag="ok"):
    """``msg`` is a list in the reply to ``list_subscriptions``, and may be missing when lists were declined."""

    msg: OkMessage | list[Any] | None = None


class WireUnsubscribed(Envelope, kw_only=True, tag="unsubscribed"):
    pass


class ErrorMessage(msgspec.Struct, kw_only=True):
    code: int
    msg: str = ""


class WireError(Envelope, kw_only=True, tag="error"):
    msg: ErrorMessage


Reply = Union[WireSubscribed, WireOk, WireUnsubscribed, WireError]  # noqa: UP007 - one style for the three unions
NotDelta = Union[WireSnapshot, WireTrade, WireFill, WireUserOrder, WireLifecycle, Reply]  # noqa: UP007
Used = Union[WireDelta, NotDelta]  # noqa: UP007
USED_TYPES: Final = frozenset(
    str(frame.__struct_config__.tag)
    for frame in (
        WireDelta,
        WireSnapshot,
        WireTrade,
        WireFill,
        WireUserOrder,
        WireLifecycle,
        WireSubscribed,
        WireOk,
        WireUnsubscribed,
        WireError,
    )
)
