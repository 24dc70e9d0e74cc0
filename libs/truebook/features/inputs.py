"""The inputs of features: one market at one moment, as plain values.

Intermediate values that several features need are computed once, on first use: the properties here, and functions
marked with ``once``. Inputs must therefore not change while they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, wraps
from typing import Any, Final, Generic, TypedDict, TypeVar

import msgspec

from truebook.book.order_book import OrderBook
from truebook.features.history import History
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketMetadata
from truebook.money import MICROS_PER_CENT, ONE_DOLLAR_CC

Value = TypeVar("Value")


def once(compute: Callable[[FeatureInputs], Value]) -> Callable[[FeatureInputs], Value]:
    """Cache a function's value (never None) per inputs, for several features."""
    key = f"{compute.__module__}.{compute.__qualname__}"

    @wraps(compute)
    def cached(inputs: FeatureInputs) -> Value:
        cache: dict[str, Any] = inputs.__dict__
        value: Value | None = cache.get(key)
        if value is None:
            value = cache[key] = compute(inputs)
        return value

    return cached


class Shared(Generic[Value]):
    """A property that is computed on first use: ``functools.cached_property`` at less cost."""

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, inputs: Any, owner: type | None = None) -> Value:
        value = inputs.__dict__[self._name] = self._compute(inputs)
        return value


class WorkingOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One of our resting orders in this market; ``placed_us`` is exchange time, 0 if unknown."""

    book_side: BookSide
    price_cc: int
    remaining_centi: int
    placed_us: int = 0


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """One position of the account, in this or another market; positive is YES, negative NO."""

    ticker: str
    position_centi: int
    cost_micros: int
    value_micros: int
    """The proceeds of selling it now."""


class HoldingsSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over open positions; sizes in hundredths of a contract."""

    count: int = 0
    longs: int = 0
    net_centi: int = 0
    gross_centi: int = 0
    largest_centi: int = 0
    """The largest position, with its sign."""
    value_micros: int = 0
    max_value_micros: int = 0
    cost_micros: int = 0


_NO_HOLDINGS: Final = HoldingsSummary()


class Holdings(tuple[Holding, ...]):
    """All positions of the account, with their sums, which the markets observed together share."""

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
            max_value_micros=max(values, default=0),
            cost_micros=sum([holding.cost_micros for holding in held]),
        )


class AccountInputs(TypedDict):
    """The inputs that depend on the account: fields of ``FeatureInputs``. All others are the same for every account."""

    cash_micros: int
    reserved_micros: int
    equity_micros: int
    position_centi: int
    position_cost_micros: int
    working: tuple[WorkingOrder, ...]
    holdings: tuple[Holding, ...]


class FeatureInputs(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One market at ``now_us`` (exchange time). Both sides of ``book`` are present."""

    book: OrderBook
    """Net of our own working orders."""
    history: History
    market: MarketMetadata
    now_us: int
    confirmed_us: int
    """Exchange time up to which the book is known to be right."""
    cash_micros: int
    reserved_micros: int
    equity_micros: int
    """Cash + reserved cash + positions at the price at which they could be sold now."""
    position_centi: int
    position_cost_micros: int
    """The cost of the open position, at least 0."""
    working: tuple[WorkingOrder, ...] = ()
    signals: Mapping[str, float] = {}
    """The valid signals of this market."""
    event_yes_sum_cc: int | None = None
    holdings: tuple[Holding, ...] = ()
    """All positions of the account, including this market's; read by account-wide features only. Pass ``Holdings`` to
    share their sums between the markets observed together."""

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
        """The mid price, in centi-cents; a feature's input, never an order's price."""
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
        """The sums over the account's open positions; zero without equity (1 cent or less)."""
        if self.equity_micros <= MICROS_PER_CENT:
            return _NO_HOLDINGS
        holdings = self.holdings
        return (holdings if isinstance(holdings, Holdings) else Holdings(holdings)).summary

    @Shared
    def mids_cc(self) -> tuple[float, ...]:
        """The mid prices of the changes in the history that left a two-sided book, oldest first."""
        return tuple(self.history.mids_cc())
