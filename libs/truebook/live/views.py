"""What an operator's page shows of markets, orders and decisions, and what changed (``system_views`` has the rest).

Null is not known; a field ``..._us`` beside it states since when, where that is known. Money is in micro-dollars,
prices are in 1/10,000 dollar on the YES leg, sizes in 1/100 contract, times in microseconds of the exchange's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from truebook.evidence.records import DecisionRecord, Funnel, Step
from truebook.live.system_views import AccountPoint, AccountState, ServiceRow
from truebook.messages.actions import Target
from truebook.messages.envelope import BookSide


class MarketRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table of markets."""

    ticker: str
    event: str
    """Empty until the market's metadata were received."""
    title: str | None = None
    """Null: no topic carries the exchange's title."""
    status: str
    """The exchange's state of the market; empty until it is known."""
    selected: bool
    exclusion: str | None
    """Why ingest does not select it."""
    bid_cc: int | None
    bid_centi: int | None
    ask_cc: int | None
    ask_centi: int | None
    """Best levels; null on a side without orders, and both sides while ``stale`` is not null."""
    last_cc: int | None
    """Price of the newest public trade."""
    stale: str | None
    """Why the book must not be traded on."""
    stale_since_us: int | None
    updated_us: int | None
    """When the newest message about its book was produced."""
    close_us: int | None
    position_centi: int | None
    """Null until the ledger was read."""
    open_orders: int | None
    updates: int
    """Changes of its book since the start of this view."""
    decisions: int
    last_reason: str | None
    """Why the newest decision or its targets led to no order; null if they led to one."""
    mids: tuple[int | None, ...]
    """Mid prices of the last minutes at equal distances, oldest first; null where the book was stale or one-sided."""


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One level of a book."""

    price_cc: int
    size_centi: int
    own_centi: int
    """Our resting orders, as the ledger has them; part of ``size_centi`` where the exchange's book contains them."""
    ahead_centi: int | None
    """Size before the first of our orders in the queue; null without one, or where it is not known."""


class PricePoint(msgspec.Struct, frozen=True, array_like=True):
    """Best prices at one time; null for a stale or one-sided book."""

    at_us: int
    bid_cc: int | None
    ask_cc: int | None


class OwnFill(msgspec.Struct, frozen=True, kw_only=True):
    """A fill of ours. ``action_id`` is null if its decision is not known any more."""

    at_us: int
    ticker: str
    trade_id: str
    client_order_id: str
    exchange_order_id: str
    action_id: str | None
    book_side: BookSide
    price_cc: int
    size_centi: int
    fee_micros: int
    is_taker: bool
    basis: str | None


class OpenOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An open order as the ledger has it."""

    client_order_id: str
    exchange_order_id: str | None
    ticker: str
    book_side: BookSide
    price_cc: int
    size_centi: int
    remaining_centi: int
    state: str
    reduce_only: bool
    reserved_us: int
    expires_us: int
    action_id: str | None
    """Null if its decision is not known any more."""


class MarketDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One market in full."""

    at_us: int
    row: MarketRow
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    """Best first, at most ``MAX_LEVELS``; empty while the book is stale."""
    more_levels: int
    """How many levels are not listed."""
    prices: tuple[PricePoint, ...]
    fills: tuple[OwnFill, ...]
    """Newest first."""
    decisions: tuple[DecisionRecord, ...]
    """Newest first, gate by gate, as `truebook why TICKER` shows them."""
    counted: Mapping[str, int] = {}
    """By reason: decisions that change nothing and are not listed."""
    refused: Mapping[str, int]
    """By reason: what observation and policy refused."""
    orders: tuple[OpenOrder, ...]
    position_cost_micros: int | None
    realized_micros: int | None
    unrealized_micros: int | None
    fees_micros: int | None
    settlement_cc: int | None


class DecisionState(StrEnum):
    """How far a decision with targets has come."""

    DECIDED = "decided"
    """Execution has not reported on it."""
    NOT_SENT = "not_sent"
    """Every target was refused or was working already."""
    SENT = "sent"
    WORKING = "working"
    """The exchange has accepted an order that has not ended."""
    UNKNOWN = "unknown"
    """It is not known whether the exchange has an order."""
    NOT_ACCEPTED = "not_accepted"
    CANCELLED = "cancelled"
    FILLED = "filled"
    """There was a fill; an order may still be open."""
    SETTLED = "settled"
    """There was a fill, and the market has paid out."""


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table of decisions with targets."""

    action_id: str
    ticker: str
    at_us: int
    model: str
    targets: tuple[Target, ...]
    state: DecisionState
    reason: str | None
    """The newest reason that execution or the ledger gave."""
    orders: int
    filled_centi: int
    fee_micros: int
    tick_to_send_us: int | None


class OrderLife(msgspec.Struct, frozen=True, kw_only=True):
    """One order of a decision: its events and fills in the order of time."""

    client_order_id: str
    """Empty: no order was created for this target."""
    exchange_order_id: str | None
    book_side: BookSide | None
    price_cc: int
    size_centi: int
    steps: tuple[Step, ...]
    fills: tuple[OwnFill, ...]
    tick_to_send_us: int | None


class Lifecycle(msgspec.Struct, frozen=True, kw_only=True):
    """One decision joined by its ids, from the observation to the settlement. Null is not known, or not yet."""

    action_id: str
    ticker: str
    state: DecisionState
    observation_id: str
    confirmed_us: int
    """Up to this exchange time the observed book was known to be right."""
    observed_us: int | None
    """When the observation was produced."""
    bid_cc: int | None
    ask_cc: int | None
    position_centi: int | None
    """As observed."""
    decided_us: int
    model: str
    model_sha256: str
    fair_ppm: int | None
    """The model's probability of YES in millionths; null for a model without one."""
    edge_cc: int
    targets: tuple[Target, ...]
    orders: tuple[OrderLife, ...]
    settled_us: int | None
    settlement_cc: int | None
    observe_us: int | None
    """From the book's newest confirmation to the observation."""
    decide_us: int | None
    """From the observation to the decision."""
    tick_to_send_us: int | None
    """From the frame to the first POST."""
    acknowledge_us: int | None
    """From the decision to the first report of an acknowledgement."""
    fill_us: int | None
    """From the decision to the first fill, by the exchange's clock."""


class EventKind(StrEnum):
    """What an event of the feed is about."""

    ORDER = "order"
    FILL = "fill"
    SETTLEMENT = "settlement"
    HOLD = "hold"
    DISCREPANCY = "discrepancy"
    SERVICE = "service"
    MODEL = "model"
    DEAD_LETTER = "dead_letter"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the feed. ``number`` grows by one with each event."""

    number: int
    at_us: int
    kind: EventKind
    text: str
    ticker: str | None = None
    action_id: str | None = None
    is_problem: bool = False


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What changed since the version that was requested.

    Apply it so: with ``is_complete`` drop everything first; replace ``rows`` and ``decisions`` by their keys, drop
    ``removed`` rows, append ``points`` and ``events``; a null of the last four fields is "as before".
    """

    version: str
    """To be given to the next request; without meaning otherwise."""
    is_complete: bool
    """The requested version is not known (a new page, or a restart): this is everything."""
    is_live: bool
    """Whether a system runs; otherwise this is what the last run left."""
    note: str | None = None
    """What is not known at present and why, in a sentence."""
    at_us: int
    """Now, on the exchange's clock: ages are relative to it, not to the browser's clock."""
    rows: tuple[MarketRow, ...] = ()
    removed: tuple[str, ...] = ()
    decisions: tuple[DecisionRow, ...] = ()
    """New and changed ones, oldest first; with ``is_complete`` the newest ``MAX_DECISIONS``."""
    points: tuple[AccountPoint, ...] = ()
    events: tuple[Event, ...] = ()
    services: tuple[ServiceRow, ...] | None = None
    """All of them."""
    account: AccountState | None = None
    funnel: Funnel | None = None
    """Of the last hour; computed again every few seconds."""
