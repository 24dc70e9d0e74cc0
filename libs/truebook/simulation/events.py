"""What the simulated exchange's engine tells: plain facts, in the order in which they happened.

The engine is pure: commands and times go in, a list of these comes out. The service ``paper_exchange`` writes them to
sockets and to its journal; backtests read them directly.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from truebook.messages.envelope import BookSide
from truebook.messages.facts import MarketFacts
from truebook.venue.account import ExchangeFill, ExchangeOrder, ExchangeSettlement


class Basis(StrEnum):
    """How a simulated fill came about."""

    SYNTHETIC = "synthetic"
    """A synthetic trader's order met ours in the engine's own book."""
    TRADE_THROUGH = "trade_through"
    """The recorded market traded at a price worse than our resting order's."""
    QUEUE = "queue"
    """Recorded trades at our price have worked off the queue before us."""
    BOOK_CROSS = "book_cross"
    """The recorded book's opposite best strictly crosses our price, or we took displayed liquidity."""


class SimulationEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A fact at exchange time ``at_us``."""

    at_us: int


class LevelChanged(SimulationEvent, frozen=True, kw_only=True):
    """One level's total changed by ``delta_centi``; ``clock`` counts the market's changes."""

    ticker: str
    book_side: BookSide
    price_cc: int
    delta_centi: int
    clock: int
    account: str | None = None
    client_order_id: str | None = None
    """Account and order that caused it, where an account's order did."""


class BookReplaced(SimulationEvent, frozen=True, kw_only=True):
    """A recording showed a whole book anew: (price_cc, size_centi) levels, best first."""

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
    """Agreed outside of the book, which it does not touch."""


class Filled(SimulationEvent, frozen=True, kw_only=True):
    """A fill of one account's order; ``post_position_centi`` is the position after it."""

    account: str
    fill: ExchangeFill
    basis: Basis
    post_position_centi: int


class OrderChanged(SimulationEvent, frozen=True, kw_only=True):
    """An account's order came, rested, was filled, or ended; ``order.last_update_reason`` says why."""

    account: str
    order: ExchangeOrder


class GroupEvent(StrEnum):
    """What happened to an order group, in the exchange's words."""

    CREATED = "created"
    TRIGGERED = "triggered"
    RESET = "reset"
    DELETED = "deleted"
    LIMIT_UPDATED = "limit_updated"


class GroupChanged(SimulationEvent, frozen=True, kw_only=True):
    """An account's order group came, changed or ended; what becomes of its orders is told after it."""

    account: str
    group_id: str
    kind: GroupEvent
    limit_centi: int


class MarketChanged(SimulationEvent, frozen=True, kw_only=True):
    """A market was created or moved along its life cycle (``event_type`` in the exchange's words)."""

    facts: MarketFacts
    event_type: str


class Settled(SimulationEvent, frozen=True, kw_only=True):
    """An account's position in a market was paid out."""

    account: str
    settlement: ExchangeSettlement
