"""Events of the simulated exchange, in the order in which they happened.

The exchange is pure: it takes commands with times and returns a list of these. The service ``paper_exchange`` writes
them to sockets; tests and backtests read them directly.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketMetadata
from truebook.venue.account import ExchangeFill, ExchangeOrder, ExchangeSettlement
from truebook.venue.shards import ShardTransfer


class Basis(StrEnum):
    """Why a simulated order was filled."""

    SYNTHETIC = "synthetic"
    """Matched with a synthetic trader or another account in the exchange's own book."""
    TRADE_THROUGH = "trade_through"
    """The recorded market traded at a worse price than our resting order's."""
    QUEUE = "queue"
    """Recorded trades at our price consumed the queue ahead of our order."""
    BOOK_CROSS = "book_cross"
    """The recorded opposite best price strictly crosses ours, or our order took displayed size."""


class SimulationEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened at exchange time ``at_us``."""

    at_us: int


class LevelChanged(SimulationEvent, frozen=True, kw_only=True):
    """One level's total changed by ``delta_centi``; ``clock`` is the number of changes of this market's book so far."""

    ticker: str
    book_side: BookSide
    price_cc: int
    delta_centi: int
    clock: int
    account: str | None = None
    client_order_id: str | None = None
    """Account and order that caused the change; None for synthetic traders and recordings."""


class BookReplaced(SimulationEvent, frozen=True, kw_only=True):
    """A recorded snapshot replaced the book: (price_cc, size_centi) levels, best first."""

    ticker: str
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    clock: int


class Traded(SimulationEvent, frozen=True, kw_only=True):
    """A public trade at the resting order's price."""

    ticker: str
    trade_id: str
    price_cc: int
    size_centi: int
    taker_side: BookSide
    block: bool = False
    """Negotiated outside of the book, which it does not change."""


class Filled(SimulationEvent, frozen=True, kw_only=True):
    """A fill of an account's order; ``post_position_centi`` is the position after it."""

    account: str
    fill: ExchangeFill
    basis: Basis
    post_position_centi: int


class OrderChanged(SimulationEvent, frozen=True, kw_only=True):
    """An account's order was accepted, changed, filled or ended; ``order.last_update_reason`` holds the reason."""

    account: str
    order: ExchangeOrder


class GroupEvent(StrEnum):
    """Event types of an order group, as the exchange's API names them."""

    CREATED = "created"
    TRIGGERED = "triggered"
    RESET = "reset"
    DELETED = "deleted"
    LIMIT_UPDATED = "limit_updated"


class GroupChanged(SimulationEvent, frozen=True, kw_only=True):
    """An account's order group was created, changed or deleted; the events of its orders follow."""

    account: str
    group_id: str
    kind: GroupEvent
    limit_centi: int


class CashMoved(SimulationEvent, frozen=True, kw_only=True):
    """An account's transfer between shards was accepted, or has arrived."""

    account: str
    transfer: ShardTransfer


class MarketChanged(SimulationEvent, frozen=True, kw_only=True):
    """A market was created or changed state; ``event_type`` as in the exchange's life-cycle channel."""

    metadata: MarketMetadata
    event_type: str


class Settled(SimulationEvent, frozen=True, kw_only=True):
    """An account's position in a market was paid out."""

    account: str
    settlement: ExchangeSettlement
