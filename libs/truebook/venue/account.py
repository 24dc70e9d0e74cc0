"""What the exchange states about an account, in our units: orders, fills, settlements, positions, balance.

Both directions use these: the client's answers are translated into them, and the simulated exchange's engine produces
them before its service writes them to the wire.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from truebook.messages.envelope import BookSide, TimeInForce


class OrderStatus(StrEnum):
    """The exchange's three states of an order."""

    RESTING = "resting"
    CANCELED = "canceled"
    EXECUTED = "executed"


class SelfTradePrevention(StrEnum):
    """What happens when an order meets its owner's own resting order."""

    TAKER_AT_CROSS = "taker_at_cross"
    MAKER = "maker"


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it is asked of the exchange; ``expiration_s`` is unix seconds on the exchange's clock."""

    ticker: str
    client_order_id: str
    book_side: BookSide
    price_cc: int
    size_centi: int
    time_in_force: TimeInForce = TimeInForce.GOOD_TILL_CANCELED
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.TAKER_AT_CROSS
    expiration_s: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    cancel_order_on_pause: bool = False
    order_group_id: str | None = None


class ExchangeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the exchange shows it. A cancelled order has ``remaining_centi`` 0."""

    exchange_order_id: str
    client_order_id: str
    ticker: str
    book_side: BookSide
    price_cc: int
    initial_centi: int
    filled_centi: int
    remaining_centi: int
    status: OrderStatus
    created_us: int | None = None
    updated_us: int | None = None
    expires_us: int | None = None
    last_update_reason: str | None = None


class ExchangeOrderGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group of the account's orders that may trade ``limit_centi`` within fifteen seconds, and is triggered then."""

    group_id: str
    limit_centi: int
    is_triggered: bool
    orders: tuple[str, ...] = ()
    """The exchange's ids of those that rest."""


class ExchangeFill(msgspec.Struct, frozen=True, kw_only=True):
    """A fill of one of the account's orders; (trade_id, exchange_order_id) is its key, the price is on the YES leg."""

    trade_id: str
    exchange_order_id: str
    ticker: str
    book_side: BookSide
    price_cc: int
    size_centi: int
    fee_micros: int
    is_taker: bool
    created_us: int
    client_order_id: str | None = None
    """Told by the WebSocket only; REST fills carry none."""
    basis: str | None = None
    """How a simulated fill came about (synthetic, trade_through, queue, book_cross); never told by Kalshi."""


class ExchangeSettlement(msgspec.Struct, frozen=True, kw_only=True):
    """A market of the account that has paid out."""

    ticker: str
    event: str
    settlement_cc: int
    settled_us: int
    yes_centi: int
    no_centi: int
    revenue_micros: int


class ExchangePosition(msgspec.Struct, frozen=True, kw_only=True):
    """What the exchange says the account holds in one market; + YES, - NO."""

    ticker: str
    position_centi: int
    exposure_micros: int
    """Cost of the open position, at least 0."""
    fees_micros: int = 0


class ExchangeBalance(msgspec.Struct, frozen=True, kw_only=True):
    """Available cash (what resting orders hold is already taken off), at 1/10,000 dollar on the wire."""

    balance_micros: int
    updated_us: int


class CreateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange accepted an order. ``remaining_centi`` 0 means that ``filled_centi`` is final."""

    exchange_order_id: str
    client_order_id: str
    filled_centi: int
    remaining_centi: int
    processed_us: int


class CancelAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange cancelled what was left of an order."""

    exchange_order_id: str
    reduced_centi: int
    processed_us: int
