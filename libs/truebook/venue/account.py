"""The exchange's records of an account, in our units: orders, fills, settlements, positions, balance.

Both directions use them: the client translates responses into them, and the simulated exchange produces them before
its service encodes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TypeVar

import msgspec

from truebook.messages.envelope import BookSide, TimeInForce
from truebook.venue.shards import DEFAULT_SHARD, ShardCash

Item = TypeVar("Item")


class OrderStatus(StrEnum):
    """The exchange's order states."""

    RESTING = "resting"
    CANCELED = "canceled"
    EXECUTED = "executed"


class SelfTradePrevention(StrEnum):
    """Which order is cancelled when an order would trade with its owner's own resting order."""

    TAKER_AT_CROSS = "taker_at_cross"
    MAKER = "maker"


class OrderRequest(msgspec.Struct, frozen=True, gc=False):
    """A create-order request; ``expiration_s`` is unix seconds on the exchange's clock.

    Not ``kw_only``: its pickle then names no fields, and a checkpoint has one of each order.
    """

    ticker: str
    client_order_id: str
    book_side: BookSide
    price_cc: int
    size_centi: int
    time_in_force: TimeInForce = TimeInForce.GOOD_TILL_CANCELED
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.TAKER_AT_CROSS
    expiration_s: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    cancel_order_on_pause: bool = False
    order_group_id: str | None = None
    exchange_index: int | None = None
    """The shard that must have the market; None and -1: the exchange finds it by the ticker."""


class ExchangeOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order as the exchange lists it. A cancelled order has ``remaining_centi`` 0."""

    exchange_order_id: str
    client_order_id: str
    ticker: str
    book_side: BookSide
    price_cc: int
    initial_centi: int
    filled_centi: int
    remaining_centi: int
    status: OrderStatus
    created_us: int | None = None
    updated_us: int | None = None
    expires_us: int | None = None
    last_update_reason: str | None = None
    exchange_index: int = DEFAULT_SHARD


class ExchangeOrderGroup(msgspec.Struct, frozen=True, kw_only=True):
    """An order group: may trade ``limit_centi`` within fifteen seconds, then it is triggered."""

    group_id: str
    limit_centi: int
    is_triggered: bool
    orders: tuple[str, ...] = ()
    """Exchange order ids of its resting orders."""
    exchange_index: int = DEFAULT_SHARD
    """A group is local to one shard."""


class ExchangeFill(msgspec.Struct, frozen=True, kw_only=True):
    """A fill of one of the account's orders; (trade_id, exchange_order_id) is its key, the price is on the YES leg."""

    trade_id: str
    exchange_order_id: str
    ticker: str
    book_side: BookSide
    price_cc: int
    size_centi: int
    fee_micros: int
    is_taker: bool
    created_us: int
    client_order_id: str | None = None
    """Present in WebSocket fills only; REST fills have none."""
    basis: str | None = None
    """Why a simulated fill happened (synthetic, trade_through, queue, book_cross); None for Kalshi's fills."""
    exchange_index: int = DEFAULT_SHARD


class ExchangeSettlement(msgspec.Struct, frozen=True, kw_only=True):
    """The payout of a settled market to the account."""

    ticker: str
    event: str
    settlement_cc: int
    settled_us: int
    yes_centi: int
    no_centi: int
    revenue_micros: int
    exchange_index: int = DEFAULT_SHARD


class ExchangePosition(msgspec.Struct, frozen=True, kw_only=True):
    """The account's position in one market at the exchange; + YES, - NO."""

    ticker: str
    position_centi: int
    exposure_micros: int
    """Cost of the open position, at least 0."""
    fees_micros: int = 0
    exchange_index: int = DEFAULT_SHARD


class ExchangeBalance(msgspec.Struct, frozen=True, kw_only=True):
    """Available cash (cash held by resting orders is deducted); 1/10,000 dollar on the wire."""

    balance_micros: int
    """On the default shard; of a key that is restricted to a subaccount, the only balance that it is shown."""
    updated_us: int
    by_shard: tuple[ShardCash, ...] = ()
    """Cash of each shard, by index; a shard without a row has none. Empty: the exchange states no shards."""

    @property
    def total_micros(self) -> int:
        """Available cash on all shards; cash on the way between two is in none."""
        return sum(one.balance_micros for one in self.by_shard) if self.by_shard else self.balance_micros

    def of_shard(self, exchange_index: int) -> int:
        """Return the available cash on one shard in micro-dollars: what its markets' orders may use."""
        if exchange_index == DEFAULT_SHARD:
            return self.balance_micros
        return next((one.balance_micros for one in self.by_shard if one.exchange_index == exchange_index), 0)


class CashTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """A deposit, or a withdrawal (negative), in the exchange's own lists.

    Whether the amount contains the fee is not documented.
    """

    transfer_id: str
    amount_micros: int
    fee_micros: int
    at_us: int


class ExchangeIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Names an exchange and the account there: a simulated exchange's own id; else the host and the id of the key."""

    exchange: str
    key_id: str = ""

    def __str__(self) -> str:
        return f"{self.exchange} with key {self.key_id}" if self.key_id else self.exchange

    def may_be(self, other: str) -> bool:
        """Return whether ``other``, an identity as text, may be of this account; a simulated exchange names itself."""
        return other in ("", str(self)) or (self.key_id != "" and " with key " in other)

    def differs_in_key(self, other: str) -> bool:
        """Return whether ``other``, an identity as text, has the same host and another key."""
        return self.key_id != "" and other != str(self) and other.startswith(f"{self.exchange} with key ")


class CreateResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The response to an accepted order. ``remaining_centi`` 0 means that ``filled_centi`` is final."""

    exchange_order_id: str
    client_order_id: str
    filled_centi: int
    remaining_centi: int
    processed_us: int


class CancelResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The response to a cancel: the remainder that was cancelled."""

    exchange_order_id: str
    reduced_centi: int
    processed_us: int


class UnreadableItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item of one of the account's lists that can't be read; a field is empty where that can't be read either."""

    ticker: str
    client_order_id: str
    exchange_order_id: str
    why: str


class Listing(list[Item]):
    """One of the account's lists without its ``unreadable`` items: those may be ours, so their absence proves nothing.

    Items of another subaccount are in neither.
    """

    def __init__(self, items: Iterable[Item] = (), unreadable: Sequence[UnreadableItem] = ()) -> None:
        super().__init__(items)
        self.unreadable = tuple(unreadable)


def is_before(reported_us: int, opened_us: int) -> bool:
    """Return whether a report is from before the opening; the stream rounds times down to whole milliseconds."""
    return reported_us < opened_us // 1000 * 1000
