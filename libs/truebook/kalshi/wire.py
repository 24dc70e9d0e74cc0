"""REST bodies as the exchange writes them (OpenAPI 3.34.0), as far as Truebook reads them, and the one that it writes.

Tolerant where it reads: unknown fields are ignored, fields that are documented as optional may be missing, closed
lists of words are plain text here (``translate`` decides). Strict where it must be: a field that carries money, a size
or an identity is required, and is a string of fixed-point digits; the integer fields of 2025 are not read at all.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Page(msgspec.Struct, kw_only=True):
    """What every list has: the cursor of the next page, empty on the last."""

    cursor: str | None = None


class Status(msgspec.Struct, kw_only=True):
    exchange_active: bool
    trading_active: bool


class UserDataTimestamp(msgspec.Struct, kw_only=True):
    as_of_time: str


class PriceRange(msgspec.Struct, kw_only=True):
    start: str
    end: str
    step: str


class Market(msgspec.Struct, kw_only=True):
    ticker: str
    event_ticker: str
    status: str
    open_time: str
    close_time: str
    price_ranges: list[PriceRange]
    market_type: str = "binary"
    result: str = ""
    settlement_value_dollars: str | None = None
    volume_fp: str | None = None
    floor_strike: float | None = None
    cap_strike: float | None = None


class MarketAnswer(msgspec.Struct, kw_only=True):
    market: Market


class MarketsPage(Page, kw_only=True):
    """Each market is decoded by itself (``Market``): one that can't be read must not hide the others."""

    markets: list[msgspec.Raw]


class Event(msgspec.Struct, kw_only=True):
    event_ticker: str
    series_ticker: str
    mutually_exclusive: bool = False
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None


class EventAnswer(msgspec.Struct, kw_only=True):
    event: Event


class EventsPage(Page, kw_only=True):
    events: list[Event]


class Series(msgspec.Struct, kw_only=True):
    ticker: str
    fee_type: str
    fee_multiplier: Decimal


class SeriesAnswer(msgspec.Struct, kw_only=True):
    series: Series


Levels = list[tuple[str, str]]


class BookSides(msgspec.Struct, kw_only=True):
    yes_dollars: Levels | None = None
    no_dollars: Levels | None = None


class BookAnswer(msgspec.Struct, kw_only=True):
    """``orderbook_fp`` since March 2026; the older key is read only where it is empty."""

    orderbook_fp: BookSides | None = None
    orderbook: BookSides | None = None


class Balance(msgspec.Struct, kw_only=True):
    balance_dollars: str
    updated_ts: int


class Position(msgspec.Struct, kw_only=True):
    ticker: str
    position_fp: str
    market_exposure_dollars: str
    fees_paid_dollars: str


class PositionsPage(Page, kw_only=True):
    market_positions: list[Position] | None


class Order(msgspec.Struct, kw_only=True):
    """``side`` and ``action`` exist too, are deprecated and have meant different things: they are not read."""

    order_id: str
    ticker: str
    status: str
    yes_price_dollars: str
    fill_count_fp: str
    remaining_count_fp: str
    initial_count_fp: str
    client_order_id: str = ""
    book_side: str | None = None
    outcome_side: str | None = None
    created_time: str | None = None
    last_update_time: str | None = None
    expiration_time: str | None = None
    created_ts_ms: int | None = None
    last_updated_ts_ms: int | None = None
    expiration_ts_ms: int | None = None
    last_update_reason: str | None = None


class OrderAnswer(msgspec.Struct, kw_only=True):
    order: Order


class OrdersPage(Page, kw_only=True):
    orders: list[Order] | None


class Fill(msgspec.Struct, kw_only=True):
    """A fill by REST (``ticker``, ``created_time``) or WebSocket (``market_ticker``, ``ts_ms``, client order id)."""

    trade_id: str
    order_id: str
    yes_price_dollars: str
    count_fp: str
    fee_cost: str
    is_taker: bool
    market_ticker: str | None = None
    ticker: str | None = None
    book_side: str | None = None
    outcome_side: str | None = None
    created_time: str | None = None
    ts_ms: int | None = None
    ts: int | None = None
    client_order_id: str | None = None
    simulation_basis: str | None = None


class FillsPage(Page, kw_only=True):
    fills: list[Fill] | None


class Settlement(msgspec.Struct, kw_only=True):
    """``revenue`` and ``value`` are whole cents."""

    ticker: str
    market_result: str
    yes_count_fp: str
    no_count_fp: str
    revenue: int
    settled_time: str
    event_ticker: str = ""
    value: int | None = None


class SettlementsPage(Page, kw_only=True):
    settlements: list[Settlement] | None


class Bucket(msgspec.Struct, kw_only=True):
    bucket_capacity: int
    refill_rate: int


class AccountLimits(msgspec.Struct, kw_only=True):
    usage_tier: str
    read: Bucket
    write: Bucket


class Netting(msgspec.Struct, kw_only=True):
    enabled: bool
    subaccount_number: int = 0


class NettingAnswer(msgspec.Struct, kw_only=True):
    netting_configs: list[Netting] | None = None


class Created(msgspec.Struct, kw_only=True):
    order_id: str
    fill_count: str
    remaining_count: str
    ts_ms: int
    client_order_id: str = ""


class Cancelled(msgspec.Struct, kw_only=True):
    order_id: str
    reduced_by: str
    ts_ms: int


class CreateOrder(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of ``POST /portfolio/events/orders``. Optional fields at their default are left out."""

    ticker: str
    client_order_id: str
    side: str
    count: str
    price: str
    time_in_force: str
    self_trade_prevention_type: str
    expiration_time: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    cancel_order_on_pause: bool = False
    order_group_id: str | None = None
