"""The WebSocket's frames as the exchange writes them (AsyncAPI 2.0.0), as far as Truebook reads them.

One tagged union, so that a frame is decoded in one pass. What is documented as required but not needed is not asked
for: recordings of early 2026 lack some of it.
"""

from __future__ import annotations

from typing import Any, Final, Literal, Union

import msgspec

from truebook.kalshi import wire


class Head(msgspec.Struct, kw_only=True):
    """What can be read of any frame, even of one whose payload can't."""

    type: str = ""
    id: int | None = None
    sid: int | None = None
    seq: int | None = None
    sending_ts_ms: int | None = None
    msg: msgspec.Raw = msgspec.Raw(b"{}")


class HeadMessage(msgspec.Struct, kw_only=True):
    """The market that a payload is about, whatever else it holds."""

    market_ticker: str | None = None


class Envelope(msgspec.Struct, kw_only=True, tag_field="type"):
    """``seq`` is absent on channels that do not count; ``id`` is there on answers to commands alone."""

    id: int | None = None
    sid: int | None = None
    seq: int | None = None
    sending_ts_ms: int | None = None


class DeltaMessage(msgspec.Struct, kw_only=True):
    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]
    ts: str | None = None
    ts_ms: int | None = None
    client_order_id: str | None = None


class Delta(Envelope, kw_only=True, tag="orderbook_delta"):
    msg: DeltaMessage


class SnapshotMessage(msgspec.Struct, kw_only=True):
    """An empty side is left out, so both may be missing; the keys of other formats tell that case apart."""

    market_ticker: str
    yes_dollars_fp: wire.Levels | None = None
    no_dollars_fp: wire.Levels | None = None
    yes: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    no: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    yes_dollars: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    no_dollars: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    bid: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    ask: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    def has_another_format(self) -> bool:
        """Tell whether levels are there in the format of early 2026 or of the perpetuals, which is not read."""
        others = (self.yes, self.no, self.yes_dollars, self.no_dollars, self.bid, self.ask)
        return any(other is not msgspec.UNSET for other in others)


class Snapshot(Envelope, kw_only=True, tag="orderbook_snapshot"):
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


class Trade(Envelope, kw_only=True, tag="trade"):
    msg: TradeMessage


class Fill(Envelope, kw_only=True, tag="fill"):
    msg: wire.Fill


class UserOrder(Envelope, kw_only=True, tag="user_order"):
    msg: wire.Order


class LifecycleMessage(msgspec.Struct, kw_only=True):
    market_ticker: str
    event_type: str
    close_ts: int | None = None
    result: str | None = None
    settlement_value: str | None = None
    is_deactivated: bool | None = None


class Lifecycle(Envelope, kw_only=True, tag="market_lifecycle_v2"):
    msg: LifecycleMessage


class SubscribedMessage(msgspec.Struct, kw_only=True):
    channel: str
    sid: int | None = None


class Subscribed(Envelope, kw_only=True, tag="subscribed"):
    msg: SubscribedMessage


class OkMessage(msgspec.Struct, kw_only=True):
    market_tickers: list[str] | None = None


class Ok(Envelope, kw_only=True, tag="ok"):
    """``msg`` is a list in the answer to ``list_subscriptions``, and may be missing when lists were declined."""

    msg: OkMessage | list[Any] | None = None


class Unsubscribed(Envelope, kw_only=True, tag="unsubscribed"):
    pass


class ErrorMessage(msgspec.Struct, kw_only=True):
    code: int
    msg: str = ""


class Error(Envelope, kw_only=True, tag="error"):
    msg: ErrorMessage


Answer = Union[Subscribed, Ok, Unsubscribed, Error]  # noqa: UP007 - one style for the three unions
NotDelta = Union[Snapshot, Trade, Fill, UserOrder, Lifecycle, Answer]  # noqa: UP007
Used = Union[Delta, NotDelta]  # noqa: UP007
USED_TYPES: Final = frozenset(
    str(frame.__struct_config__.tag)
    for frame in (Delta, Snapshot, Trade, Fill, UserOrder, Lifecycle, Subscribed, Ok, Unsubscribed, Error)
)
