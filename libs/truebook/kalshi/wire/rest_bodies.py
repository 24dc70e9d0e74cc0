"""REST bodies as the exchange writes them (OpenAPI 3.34.0), as far as Truebook reads them, and the one that it writes.

Tolerant: unknown fields are ignored, fields documented as optional may be missing, enumerations are plain text
(``translate`` decides). Strict: a field that carries money, a size or an identity is required, and is a string of
fixed-point digits; the integer fields of 2025 are not read.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Page(msgspec.Struct, kw_only=True):
    """A page of a list, with the cursor of the next one; empty on the last."""

    cursor: str | None = None


class ShardStatusBody(msgspec.Struct, kw_only=True):
    exchange_index: int
    exchange_active: bool
    trading_active: bool
    intra_exchange_transfers_active: bool
    description: str = ""


class StatusBody(msgspec.Struct, kw_only=True):
    exchange_active: bool
    trading_active: bool
    intra_exchange_transfers_active: bool = False
    exchange_index_statuses: list[ShardStatusBody] | None = None
    simulated_exchange_id: str = ""
    """Of the simulated exchange only: the identity of its history."""


class UserDataTimestamp(msgspec.Struct, kw_only=True):
    as_of_time: str


class PriceRangeBody(msgspec.Struct, kw_only=True):
    start: str
    end: str
    step: str


class MarketBody(msgspec.Struct, kw_only=True):
    ticker: str
    event_ticker: str
    status: str
    open_time: str
    close_time: str
    price_ranges: list[PriceRangeBody]
    market_type: str = "binary"
    result: str = ""
    settlement_value_dollars: str | None = None
    volume_fp: str | None = None
    floor_strike: float | None = None
    cap_strike: float | None = None
    exchange_index: int = 0


class MarketResponse(msgspec.Struct, kw_only=True):
    market: MarketBody


class MarketsPage(Page, kw_only=True):
    """Each market is decoded separately (``MarketBody``): one that can't be parsed must not hide the others."""

    markets: list[msgspec.Raw]


class EventBody(msgspec.Struct, kw_only=True):
    event_ticker: str
    series_ticker: str
    mutually_exclusive: bool = False
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None


class EventResponse(msgspec.Struct, kw_only=True):
    event: EventBody


class EventsPage(Page, kw_only=True):
    events: list[EventBody]


class SeriesBody(msgspec.Struct, kw_only=True):
    ticker: str
    fee_type: str
    fee_multiplier: Decimal | None = None
    """None: the markets' fees are unknown unless their event gives them; they are not traded."""


class SeriesResponse(msgspec.Struct, kw_only=True):
    series: SeriesBody


class SeriesList(msgspec.Struct, kw_only=True):
    """All series, in one response; each is decoded separately."""

    series: list[msgspec.Raw]


Levels = list[tuple[str, str]]


class BookSides(msgspec.Struct, kw_only=True):
    yes_dollars: Levels | None = None
    no_dollars: Levels | None = None


class BookResponse(msgspec.Struct, kw_only=True):
    """``orderbook_fp`` since March 2026; the older key is read only if it is empty."""

    orderbook_fp: BookSides | None = None
    orderbook: BookSides | None = None


class ShardBalance(msgspec.Struct, kw_only=True):
    exchange_index: int
    balance: str


class BalanceBody(msgspec.Struct, kw_only=True):
    """``balance_dollars`` is the sum over the exchange's shards; ``balance_breakdown`` has the cash of each."""

    balance_dollars: str
    updated_ts: int
    balance_breakdown: list[ShardBalance] | None = None


class Owned(msgspec.Struct, kw_only=True):
    """What an account's item states about where it belongs: REST and WebSocket name the subaccount differently."""

    subaccount: int | None = None
    subaccount_number: int | None = None
    exchange_index: int | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is of another subaccount."""
        return bool(self.subaccount or self.subaccount_number)

    @property
    def shard(self) -> int:
        """The exchange shard of the item; a body of before the shards names none."""
        return self.exchange_index or 0


class PositionBody(Owned, kw_only=True):
    ticker: str
    position_fp: str
    market_exposure_dollars: str
    fees_paid_dollars: str


class TransferBody(msgspec.Struct, kw_only=True):
    """A deposit or a withdrawal: amounts in cents, times in seconds."""

    id: str
    status: str
    amount_cents: int
    fee_cents: int
    created_ts: int
    finalized_ts: int | None = None


class DepositsPage(Page, kw_only=True):
    deposits: list[TransferBody] | None


class WithdrawalsPage(Page, kw_only=True):
    withdrawals: list[TransferBody] | None


class PositionsPage(Page, kw_only=True):
    market_positions: list[msgspec.Raw] | None


class OrderBody(Owned, kw_only=True):
    """``side`` and ``action`` exist too, but are deprecated and ambiguous: they are not read."""

    order_id: str
    ticker: str
    status: str
    yes_price_dollars: str
    fill_count_fp: str
    remaining_count_fp: str
    initial_count_fp: str
    client_order_id: str | None = None
    book_side: str | None = None
    outcome_side: str | None = None
    created_time: str | None = None
    last_update_time: str | None = None
    expiration_time: str | None = None
    created_ts_ms: int | None = None
    last_updated_ts_ms: int | None = None
    expiration_ts_ms: int | None = None
    last_update_reason: str | None = None


class OrderResponse(msgspec.Struct, kw_only=True):
    order: OrderBody


class OrdersPage(Page, kw_only=True):
    orders: list[msgspec.Raw] | None


class FillBody(Owned, kw_only=True):
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
    fills: list[msgspec.Raw] | None


class SettlementBody(Owned, kw_only=True):
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
    settlements: list[msgspec.Raw] | None


class BucketBody(msgspec.Struct, kw_only=True):
    bucket_capacity: int
    refill_rate: int


class AccountLimits(msgspec.Struct, kw_only=True):
    usage_tier: str
    read: BucketBody
    write: BucketBody


class NettingBody(msgspec.Struct, kw_only=True):
    enabled: bool
    subaccount_number: int = 0


class NettingResponse(msgspec.Struct, kw_only=True):
    netting_configs: list[NettingBody] | None = None


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


class OrderGroupBody(msgspec.Struct, kw_only=True):
    id: str
    contracts_limit_fp: str | None = None


class OrderGroups(msgspec.Struct, kw_only=True):
    order_groups: list[OrderGroupBody] | None = None


class CreatedOrderGroup(msgspec.Struct, kw_only=True):
    order_group_id: str


class CreateOrder(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of ``POST /portfolio/events/orders``. Optional fields at their default are omitted."""

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
    exchange_index: int | None = None
