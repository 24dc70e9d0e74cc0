"""What a feature is computed from: one market at one moment, as plain values."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from truebook.book.order_book import OrderBook
from truebook.features.history import History
from truebook.messages.envelope import BookSide
from truebook.messages.facts import MarketFacts
from truebook.money import ONE_DOLLAR_CC


class WorkingOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One of our orders in this market that still waits; ``placed_us`` is exchange time, 0 where not known."""

    book_side: BookSide
    price_cc: int
    remaining_centi: int
    placed_us: int = 0


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """One position of the account, in this or another market; + YES, − NO."""

    ticker: str
    position_centi: int
    cost_micros: int
    value_micros: int
    """What selling it now would bring."""


class FeatureInputs(msgspec.Struct, frozen=True, kw_only=True):
    """One market at ``now_us`` (exchange time). Both sides of ``book`` are present."""

    book: OrderBook
    """Net of our own working orders."""
    history: History
    facts: MarketFacts
    now_us: int
    confirmed_us: int
    """Exchange time up to which the book is known to be right."""
    cash_micros: int
    promised_micros: int
    equity_micros: int
    """Cash + promised + positions at the price at which we could sell now."""
    position_centi: int
    position_cost_micros: int
    """What the open position cost, at least 0."""
    working: tuple[WorkingOrder, ...] = ()
    signals: Mapping[str, float] = {}
    """The valid signals of this market; a missing one that a layout needs gives no observation."""
    event_yes_sum_cc: int | None = None
    holdings: tuple[Holding, ...] = ()
    """All positions of the account, this market's among them: only layouts with account-wide features read it."""

    @property
    def bid(self) -> tuple[int, int]:
        """The best bid as (price_cc, size_centi)."""
        return self.book.best(BookSide.BID) or (0, 0)

    @property
    def ask(self) -> tuple[int, int]:
        """The best ask as (price_cc, size_centi)."""
        return self.book.best(BookSide.ASK) or (ONE_DOLLAR_CC, 0)

    @property
    def mid_cc(self) -> float:
        """The middle between best bid and best ask, in centi-cents: a feature's input, no price of an order."""
        return (self.bid[0] + self.ask[0]) / 2
