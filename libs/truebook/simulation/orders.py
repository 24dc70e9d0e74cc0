"""An order as the simulated venue keeps it, and the answers that refuse one.

Not for readers outside the engine: they get ``ExchangeOrder``, a frozen picture of it.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from truebook.messages.envelope import BookSide
from truebook.money import no_price
from truebook.simulation.events import Basis
from truebook.venue.account import ExchangeOrder, OrderRequest, OrderStatus
from truebook.venue.fees import FeeRounding

MICROS_PER_SECOND = 1_000_000
TRADER_PREFIX = "trader:"
"""Accounts whose name starts so are anonymous: unlimited, not booked, and forgotten once their order has ended."""


class Rejected(msgspec.Struct, frozen=True):
    """The venue refuses a command: HTTP status and code (kalshi-api, section 1.3)."""

    status: int
    code: str
    detail: str = ""


class UpdateReason(StrEnum):
    """Why an order changed last, in the exchange's words."""

    DECREASE = "Decrease"
    AMEND = "Amend"
    SELF_TRADE_CANCEL = "SelfTradeCancel"
    EXPIRY_CANCEL = "ExpiryCancel"
    CLOSE_CANCEL = "CloseCancel"
    TRADE = "Trade"
    REDUCE_ONLY_CANCEL = "ReduceOnlyCancel"


class OrderCosts(msgspec.Struct):
    """What an order has cost so far, by the role in which it was filled: at the price of its own leg."""

    taker_cost_micros: int = 0
    maker_cost_micros: int = 0
    taker_fees_micros: int = 0
    maker_fees_micros: int = 0


class Match(msgspec.Struct, frozen=True):
    """Two sides met: size and price of one trade, and how it came about."""

    trade_id: str
    price_cc: int
    size_centi: int
    at_us: int
    basis: Basis


def is_anonymous(account: str) -> bool:
    """Tell whether the account is a synthetic trader's."""
    return account.startswith(TRADER_PREFIX)


class LiveOrder:
    """One order's state; only the engine changes it."""

    __slots__ = (
        "_picture",
        "account",
        "anonymous",
        "costs",
        "created_us",
        "exchange_order_id",
        "filled_centi",
        "number",
        "reason",
        "remaining_centi",
        "request",
        "rounding",
        "size_centi",
        "status",
        "updated_us",
    )

    def __init__(self, account: str, request: OrderRequest, at_us: int) -> None:
        self.account = account
        self.anonymous = is_anonymous(account)
        self.exchange_order_id = ""
        """Given at acceptance."""
        self.number = 0
        """Place among the account's orders, in the order of acceptance."""
        self.request = request
        self.size_centi = request.size_centi
        self.filled_centi = 0
        self.remaining_centi = request.size_centi
        self.status = OrderStatus.RESTING
        self.created_us = at_us
        self.updated_us = at_us
        self.reason: str | None = None
        self.rounding = FeeRounding()
        self.costs = OrderCosts()
        self._picture: ExchangeOrder | None = None

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
        """What one contract of the order's own leg costs: the NO price for an ask."""
        return self.price_cc if self.book_side is BookSide.BID else no_price(self.price_cc)

    @property
    def expires_us(self) -> int | None:
        seconds = self.request.expiration_s
        return None if seconds is None else seconds * MICROS_PER_SECOND

    @property
    def is_resting(self) -> bool:
        return self.status is OrderStatus.RESTING

    def take(self, size_centi: int, at_us: int) -> None:
        """Count a fill; the order is executed once nothing remains."""
        assert 0 < size_centi <= self.remaining_centi, (size_centi, self.remaining_centi)
        self.filled_centi += size_centi
        self.remaining_centi -= size_centi
        if self.remaining_centi == 0:
            self.status = OrderStatus.EXECUTED
        self._touch(UpdateReason.TRADE, at_us)

    def count_costs(self, cost_micros: int, fee_micros: int, is_taker: bool) -> None:
        """Add a fill's cost and fee to the sums of the role in which it was filled."""
        if is_taker:
            self.costs.taker_cost_micros += cost_micros
            self.costs.taker_fees_micros += fee_micros
        else:
            self.costs.maker_cost_micros += cost_micros
            self.costs.maker_fees_micros += fee_micros

    def cancel(self, reason: UpdateReason | None, at_us: int) -> int:
        """End the order; answers how much was taken off. A cancelled order shows a remainder of 0."""
        reduced_centi, self.remaining_centi = self.remaining_centi, 0
        self.status = OrderStatus.CANCELED
        self._touch(reason, at_us)
        return reduced_centi

    def shrink(self, by_centi: int, reason: UpdateReason, at_us: int) -> None:
        """Take off a part of the remainder, and of the size; the place in the queue is kept."""
        assert 0 < by_centi < self.remaining_centi, (by_centi, self.remaining_centi)
        self.size_centi -= by_centi
        self.remaining_centi -= by_centi
        self._touch(reason, at_us)

    def become(self, request: OrderRequest, reason: UpdateReason, at_us: int) -> None:
        """Be another order from here on: other price, size (what is filled included), expiry or client id."""
        self.request = request
        self.size_centi = request.size_centi
        self.remaining_centi = request.size_centi - self.filled_centi
        self._touch(reason, at_us)

    def picture(self) -> ExchangeOrder:
        """Show the order as the exchange does."""
        if self._picture is None:
            self._picture = ExchangeOrder(
                exchange_order_id=self.exchange_order_id,
                client_order_id=self.request.client_order_id,
                ticker=self.ticker,
                book_side=self.book_side,
                price_cc=self.price_cc,
                initial_centi=self.size_centi,
                filled_centi=self.filled_centi,
                remaining_centi=self.remaining_centi,
                status=self.status,
                created_us=self.created_us,
                updated_us=self.updated_us,
                expires_us=self.expires_us,
                last_update_reason=self.reason,
            )
        return self._picture

    def _touch(self, reason: UpdateReason | None, at_us: int) -> None:
        self.reason = None if reason is None else reason.value
        self.updated_us = at_us
        self._picture = None
