"""What a feature is computed from: one market at one moment, as plain values.

What several features need is computed once, when it is first asked for: the properties here, and whatever a module of
features marks with ``once``. Inputs must therefore not change while they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, wraps
from typing import Any, Final, Generic, TypeVar

import msgspec

from truebook.book.order_book import OrderBook
from truebook.features.history import History
from truebook.messages.envelope import BookSide
from truebook.messages.facts import MarketFacts
from truebook.money import MICROS_PER_CENT, ONE_DOLLAR_CC

Value = TypeVar("Value")


def once(compute: Callable[[FeatureInputs], Value]) -> Callable[[FeatureInputs], Value]:
    """Compute a value (never null) that several features share once per inputs."""
    key = f"{compute.__module__}.{compute.__qualname__}"

    @wraps(compute)
    def remembered(inputs: FeatureInputs) -> Value:
        memory: dict[str, Any] = inputs.__dict__
        value: Value | None = memory.get(key)
        if value is None:
            value = memory[key] = compute(inputs)
        return value

    return remembered


class Shared(Generic[Value]):
    """A property that is computed when it is first asked for: ``cached_property`` without its bookkeeping."""

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, inputs: Any, owner: type | None = None) -> Value:
        value = inputs.__dict__[self._name] = self._compute(inputs)
        return value


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


class HoldingsSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over open positions; sizes in hundredths of a contract."""

    count: int = 0
    longs: int = 0
    net_centi: int = 0
    gross_centi: int = 0
    largest_centi: int = 0
    """The largest position, with its sign."""
    value_micros: int = 0
    most_value_micros: int = 0
    cost_micros: int = 0


_NOTHING: Final = HoldingsSummary()


class Holdings(tuple[Holding, ...]):
    """All positions of the account, with their sums: these are the same for each market that is looked at together."""

    @cached_property
    def summary(self) -> HoldingsSummary:
        """Sums over the open positions, computed once."""
        held = [holding for holding in self if holding.position_centi]
        sizes = [holding.position_centi for holding in held]
        values = [holding.value_micros for holding in held]
        return HoldingsSummary(
            count=len(held),
            longs=sum([size > 0 for size in sizes]),
            net_centi=sum(sizes),
            gross_centi=sum(map(abs, sizes)),
            largest_centi=max(sizes, key=abs, default=0),
            value_micros=sum(values),
            most_value_micros=max(values, default=0),
            cost_micros=sum([holding.cost_micros for holding in held]),
        )


class FeatureInputs(msgspec.Struct, frozen=True, kw_only=True, dict=True):
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
    """All positions of the account, this market's among them: only layouts with account-wide features read it.
    Given as ``Holdings``, their sums are shared between the markets that are observed together."""

    @Shared
    def bid(self) -> tuple[int, int]:
        """The best bid as (price_cc, size_centi)."""
        return self.book.best(BookSide.BID) or (0, 0)

    @Shared
    def ask(self) -> tuple[int, int]:
        """The best ask as (price_cc, size_centi)."""
        return self.book.best(BookSide.ASK) or (ONE_DOLLAR_CC, 0)

    @Shared
    def mid_cc(self) -> float:
        """The middle between best bid and best ask, in centi-cents: a feature's input, no price of an order."""
        return (self.bid[0] + self.ask[0]) / 2

    @Shared
    def spread_cc(self) -> int:
        """Best ask − best bid."""
        return self.ask[0] - self.bid[0]

    @Shared
    def totals_centi(self) -> tuple[int, int]:
        """The sums of all sizes of (bids, asks)."""
        return self.book.total_centi(BookSide.BID), self.book.total_centi(BookSide.ASK)

    @Shared
    def held(self) -> HoldingsSummary:
        """The sums over the account's open positions; of none without equity (1 cent or less)."""
        if self.equity_micros <= MICROS_PER_CENT:
            return _NOTHING
        holdings = self.holdings
        return (holdings if isinstance(holdings, Holdings) else Holdings(holdings)).summary

    @Shared
    def mids_cc(self) -> tuple[float, ...]:
        """The mid prices of the changes in the history that left a two-sided book, oldest first."""
        return tuple(self.history.mids_cc())
