"""An order as the simulated exchange keeps it, and the rejection of a command.

Internal to the simulation: readers get ``ExchangeOrder``, a frozen copy.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from truebook.messages.envelope import BookSide
from truebook.money import no_price
from truebook.simulation.events import Basis
from truebook.simulation.venue.subaccount_names import owner_of
from truebook.venue.account import ExchangeOrder, OrderRequest, OrderStatus
from truebook.venue.fees import FeeRounding
from truebook.venue.shards import DEFAULT_SHARD

MICROS_PER_SECOND = 1_000_000
TRADER_PREFIX = "trader:"
"""Accounts with this prefix are synthetic traders: unlimited cash, no records, orders dropped once they ended."""


class Rejected(msgspec.Struct, frozen=True):
    """The exchange rejects a command with this HTTP status and error code (Kalshi API, error responses)."""

    status: int
    code: str
    detail: str = ""


class UpdateReason(StrEnum):
    """Reason of an order's last change, as the exchange's API names it."""

    DECREASE = "Decrease"
    AMEND = "Amend"
    SELF_TRADE_CANCEL = "SelfTradeCancel"
    EXPIRY_CANCEL = "ExpiryCancel"
    CLOSE_CANCEL = "CloseCancel"
    TRADE = "Trade"
    REDUCE_ONLY_CANCEL = "ReduceOnlyCancel"


class OrderCosts(msgspec.Struct, gc=False):
    """An order's total cost (at the price of its own leg) and fees, by role in the fill."""

    taker_cost_micros: int = 0
    maker_cost_micros: int = 0
    taker_fees_micros: int = 0
    maker_fees_micros: int = 0


class Match(msgspec.Struct, frozen=True):
    """One trade between two sides, and why it happened."""

    trade_id: str
    price_cc: int
    size_centi: int
    at_us: int
    basis: Basis


def is_synthetic(account: str) -> bool:
    """Return whether the account is a synthetic trader's."""
    return account.startswith(TRADER_PREFIX)


class LiveOrder(msgspec.Struct, eq=False):
    """One order's state; only the exchange changes it."""

    account: str
    owner: str
    """Whose subaccount the account is: orders of one owner never match each other."""
    request: OrderRequest
    is_synthetic: bool
    size_centi: int
    remaining_centi: int
    created_us: int
    updated_us: int
    exchange_order_id: str = ""
    """Set at acceptance."""
    shard: int = DEFAULT_SHARD
    number: int = 0
    """Index among the account's orders, in the order of acceptance."""
    initial_centi: int = 0
    """The size as placed or amended: a decrease keeps it, while ``size_centi`` is what is filled and left."""
    filled_centi: int = 0
    status: OrderStatus = OrderStatus.RESTING
    reason: str | None = None
    rounding: FeeRounding = FeeRounding()
    costs: OrderCosts = msgspec.field(default_factory=OrderCosts)
    _exported: ExchangeOrder | None = None
    """The last field: it follows from the others, and is not pickled."""

    def __reduce__(self) -> tuple[type[LiveOrder], tuple[Any, ...]]:
        return LiveOrder, msgspec.structs.astuple(self)[:-1]

    @classmethod
    def create(cls, account: str, request: OrderRequest, at_us: int, shard: int = DEFAULT_SHARD) -> LiveOrder:
        size_centi = request.size_centi
        synthetic = is_synthetic(account)
        return cls(
            account, account if synthetic else owner_of(account), request, synthetic, size_centi, size_centi, at_us,
            at_us, initial_centi=size_centi, shard=shard,
        )  # fmt: skip

    @property
    def ticker(self) -> str:
        return self.request.ticker

    @property
    def book_side(self) -> BookSide:
        return self.request.book_side

    @property
    def price_cc(self) -> int:
        return self.request.price_cc

    @property
    def own_price_cc(self) -> int:
        """Cost of one contract of the order's own leg: the NO price for an ask."""
        return self.price_cc if self.book_side is BookSide.BID else no_price(self.price_cc)

    @property
    def expires_us(self) -> int | None:
        seconds = self.request.expiration_s
        return None if seconds is None else seconds * MICROS_PER_SECOND

    @property
    def is_resting(self) -> bool:
        return self.status is OrderStatus.RESTING

    def fill(self, size_centi: int, at_us: int) -> None:
        """Apply a fill; the order is executed once nothing remains."""
        assert 0 < size_centi <= self.remaining_centi, (size_centi, self.remaining_centi)
        self.filled_centi += size_centi
        self.remaining_centi -= size_centi
        if self.remaining_centi == 0:
            self.status = OrderStatus.EXECUTED
        self._updated(UpdateReason.TRADE, at_us)

    def add_costs(self, cost_micros: int, fee_micros: int, is_taker: bool) -> None:
        """Add a fill's cost and fee to the totals of its role."""
        if is_taker:
            self.costs.taker_cost_micros += cost_micros
            self.costs.taker_fees_micros += fee_micros
        else:
            self.costs.maker_cost_micros += cost_micros
            self.costs.maker_fees_micros += fee_micros

    def cancel(self, reason: UpdateReason | None, at_us: int) -> int:
        """End the order and return the size that was cancelled. A cancelled order has a remainder of 0."""
        cancelled_centi, self.remaining_centi = self.remaining_centi, 0
        self.status = OrderStatus.CANCELED
        self._updated(reason, at_us)
        return cancelled_centi

    def reduce(self, by_centi: int, reason: UpdateReason, at_us: int) -> None:
        """Reduce remainder and size; the order keeps its queue position."""
        assert 0 < by_centi < self.remaining_centi, (by_centi, self.remaining_centi)
        self.size_centi -= by_centi
        self.remaining_centi -= by_centi
        self._updated(reason, at_us)

    def amend(self, request: OrderRequest, reason: UpdateReason, at_us: int) -> None:
        """Replace price, size (fills included), expiry or client order id."""
        self.request = request
        if request.size_centi != self.size_centi:
            self.initial_centi = request.size_centi
        self.size_centi = request.size_centi
        self.remaining_centi = request.size_centi - self.filled_centi
        self._updated(reason, at_us)

    def exported(self) -> ExchangeOrder:
        """Return the order as the exchange's API shows it."""
        if self._exported is None:
            request = self.request
            self._exported = ExchangeOrder(
                exchange_order_id=self.exchange_order_id, client_order_id=request.client_order_id,
                ticker=request.ticker, book_side=request.book_side, price_cc=request.price_cc,
                initial_centi=self.initial_centi, filled_centi=self.filled_centi, remaining_centi=self.remaining_centi,
                status=self.status, created_us=self.created_us, updated_us=self.updated_us,
                expires_us=self.expires_us, last_update_reason=self.reason, exchange_index=self.shard,
            )  # fmt: skip
        return self._exported

    def _updated(self, reason: UpdateReason | None, at_us: int) -> None:
        self.reason = None if reason is None else reason.value
        self.updated_us = at_us
        self._exported = None
