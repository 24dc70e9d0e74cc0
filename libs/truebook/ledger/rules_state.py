"""What the ledger of one account remembers. The records of orders, markets and events are stored alike in Redis.

Only facts are stored, and figures that follow from them and are kept because every verb needs them: the promise of a
market, the losses of an event, the account's totals. ``rules_book`` alone changes those.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from truebook.ledger.port import Limits, Reserve
from truebook.messages.envelope import BookSide
from truebook.money import MAX_AMOUNT, PAIR_MICROS_PER_CENTI, no_price

MAX_SIZE_CENTI: Final = 10**9
"""Ten million contracts: price x size stays far below 2^53."""
MAX_SINGLE_MICROS: Final = 10**14
"""A hundred million dollars in one balance, cost or adjustment; sums of such amounts stay exact."""
MAX_FEE_RATE_PPM: Final = 1_000_000
MAX_TIME_US: Final = MAX_AMOUNT
MODES: Final = ("running", "reduce_only", "flattening", "halted")
"""From free to most severe."""


class Order(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One order: what was reserved, and what has been heard of it since."""

    order_id: str
    nonce: str
    ticker: str
    book_side: BookSide
    price_cc: int
    size_centi: int
    reduce_only: bool
    fee_rate_ppm: int
    deadline_us: int
    reserved_us: int
    send_by_us: int = 0
    expires_us: int = 0
    exchange_order_id: str | None = None
    applied_centi: int = 0
    told_centi: int | None = None
    """The final filled total, once a close or a final answer told it."""
    unknown: bool = False
    foreign: bool = False
    """Not sent by us: a record of size 0 whose fills are all overfill."""
    ended_us: int | None = None
    """The ledger's clock when the order had nothing left to come."""

    @property
    def remaining_centi(self) -> int:
        """What may still fill, as far as is proven."""
        bound = self.size_centi if self.told_centi is None else min(self.size_centi, self.told_centi)
        return max(0, bound - self.applied_centi)

    @property
    def own_price_cc(self) -> int:
        """The price of what the order buys: YES for a bid, NO for an ask."""
        return self.price_cc if self.book_side is BookSide.BID else no_price(self.price_cc)

    @property
    def state(self) -> str:
        if self.foreign:
            return "foreign"
        if self.remaining_centi == 0:
            return "terminal"
        if self.told_centi is not None:
            return "closing"
        if self.exchange_order_id is not None:
            return "acknowledged"
        return "unknown" if self.unknown else "reserved"

    @property
    def holds_slot(self) -> bool:
        """Whether the order may still be working at the exchange."""
        return self.state in ("reserved", "unknown", "acknowledged")


class Market(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One market's sums. A sale of YES at p is a purchase of NO at $1 - p: nothing is ever subtracted."""

    ticker: str
    event: str
    yes_bought_centi: int = 0
    yes_cost_micros: int = 0
    no_bought_centi: int = 0
    no_cost_micros: int = 0
    fees_micros: int = 0
    settlement_cc: int | None = None
    promise_micros: int = 0
    open: list[str] = []
    """The ids of the orders with something left to come, oldest first."""

    @property
    def position_centi(self) -> int:
        return self.yes_bought_centi - self.no_bought_centi

    @property
    def costs_micros(self) -> int:
        return self.yes_cost_micros + self.no_cost_micros

    @property
    def pairs_micros(self) -> int:
        return min(self.yes_bought_centi, self.no_bought_centi) * PAIR_MICROS_PER_CENTI

    @property
    def payout_micros(self) -> int:
        """What the unpaired contracts got: a pure function of sums and settlement, so a late fill may lower it."""
        if self.settlement_cc is None:
            return 0
        value_cc = self.settlement_cc if self.position_centi > 0 else no_price(self.settlement_cc)
        return abs(self.position_centi) * value_cc

    def held_against(self, side: BookSide) -> int:
        """The position that orders of that side would close."""
        return max(0, -self.position_centi if side is BookSide.BID else self.position_centi)


class Event(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The worst that can come of an event's markets; see ``rules_risk``."""

    exclusive: bool | None = None
    """False for ever once a reserve said so; null before any did."""
    losses: dict[str, tuple[int, int]] = {}
    """By ticker: the loss in micros if its YES wins, and if its NO wins."""


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """A fill as told, by (exchange order id, trade id)."""

    ticker: str
    book_side: BookSide
    price_cc: int
    size_centi: int
    fee_micros: int
    parked: bool = False


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A refused reserve, remembered until its deadline."""

    asked: Reserve
    reason: str


class Totals(msgspec.Struct, kw_only=True):
    """The account's sums over everything below it."""

    deposits_micros: int = 0
    adjustments_micros: int = 0
    rounding_micros: int = 0
    fees_micros: int = 0
    payouts_micros: int = 0
    costs_micros: int = 0
    pairs_micros: int = 0
    promised_micros: int = 0
    loss_micros: int = 0
    """The worst losses of all events, none below 0."""
    open_orders: int = 0
    parked: int = 0

    @property
    def net_micros(self) -> int:
        """What is free to be promised; below 0 the account is overdrawn."""
        owned = self.deposits_micros + self.adjustments_micros + self.rounding_micros + self.payouts_micros
        return owned - self.fees_micros - self.costs_micros + self.pairs_micros - self.promised_micros


def most_severe(hold_modes: Iterable[str], totals: Totals) -> str:
    """Give the mode that follows from all holds: at least ``reduce_only`` while overdrawn."""
    least = "reduce_only" if totals.net_micros < 0 else "running"
    return max([least, *hold_modes], key=MODES.index)


class LedgerState:
    """The whole memory of one account, without its journal."""

    def __init__(self) -> None:
        self.opened = False
        self.clock_us = 0
        self.totals = Totals()
        self.limits = Limits()
        self.holds: dict[str, tuple[str, str]] = {}  # name -> (mode, owner)
        self.epochs: dict[int, int] = {}  # by partition
        self.counters: dict[str, int] = {}
        self.watermarks: dict[str, int] = {}
        self.adjusts: dict[str, tuple[str, int]] = {}  # id -> (kind, amount)
        self.orders: dict[str, Order] = {}
        self.exchange_ids: dict[str, str] = {}  # the exchange's order id -> ours
        self.fills: dict[str, dict[str, Fill]] = {}  # the exchange's order id -> trade id -> fill
        self.markets: dict[str, Market] = {}
        self.events: dict[str, Event] = {}
        self.refusals: dict[str, Refusal] = {}
        self.grants_us: list[int] = []  # the clock at each grant of the last minute

    @property
    def mode(self) -> str:
        """The most severe hold, at least ``reduce_only`` while overdrawn."""
        return most_severe([mode for mode, _ in self.holds.values()], self.totals)

    def open_orders(self, market: Market) -> list[Order]:
        return [self.orders[order_id] for order_id in market.open]
