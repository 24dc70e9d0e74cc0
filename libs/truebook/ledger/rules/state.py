"""The state of one account. The records of orders, markets and events are stored in Redis in the same form.

Beside what was reported, derived values are kept because every verb needs them: a market's reservation, an event's
losses, the account's totals. Only ``market_update`` changes those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Final

import msgspec

from truebook.ledger.port import Marks, ShardTransferView
from truebook.ledger.verbs import Limits, Mode, OrderState, Reserve
from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason
from truebook.money import MAX_AMOUNT, PAIR_MICROS_PER_CENTI, no_price
from truebook.venue.shards import DEFAULT_SHARD

MAX_SIZE_CENTI: Final = 10**9
"""Ten million contracts: price x size stays far below 2^53."""
MAX_SINGLE_MICROS: Final = 10**14
"""A hundred million dollars in one balance, cost or adjustment; sums of such amounts stay exact."""
MAX_FEE_RATE_PPM: Final = 1_000_000
MAX_TIME_US: Final = MAX_AMOUNT
MINUTE_US: Final = 60_000_000


class LedgerOrder(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One order: what was reserved, and what has been reported since."""

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
    final_filled_centi: int | None = None
    """The final filled total, once reported."""
    unknown: bool = False
    foreign: bool = False
    """Not sent by us: a record of size 0, so that every fill is overfill."""
    ended_us: int | None = None
    """The ledger's clock when nothing of the order could fill any more."""

    @property
    def remaining_centi(self) -> int:
        """The most that may still fill, by what is proven."""
        final = self.final_filled_centi
        bound = self.size_centi if final is None or final > self.size_centi else final
        return bound - self.applied_centi if bound > self.applied_centi else 0

    @property
    def own_price_cc(self) -> int:
        """The price of what the order buys: YES for a bid, NO for an ask."""
        return self.price_cc if self.book_side is BookSide.BID else no_price(self.price_cc)

    @property
    def state(self) -> OrderState:
        if self.foreign:
            return OrderState.FOREIGN
        if self.remaining_centi == 0:
            return OrderState.TERMINAL
        if self.final_filled_centi is not None:
            return OrderState.CLOSING
        if self.exchange_order_id is not None:
            return OrderState.ACKNOWLEDGED
        return OrderState.UNKNOWN if self.unknown else OrderState.RESERVED


class LedgerMarket(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One market's sums. A sale of YES at p is a purchase of NO at $1 - p: nothing is ever subtracted."""

    ticker: str
    event: str
    yes_bought_centi: int = 0
    yes_cost_micros: int = 0
    no_bought_centi: int = 0
    no_cost_micros: int = 0
    fees_micros: int = 0
    fills: int = 0
    settlement_cc: int | None = None
    settled_us: int = 0
    """The ledger's clock when the settlement was recorded."""
    pruned_markets: int = 0
    """How many settled markets were added up in this record: that of the empty ticker, which no market has."""
    reserved_micros: int = 0
    open: list[str] = []
    """The ids of the orders that may still fill, oldest first."""
    exchange_index: int | None = None
    """The shard that a granted reserve, a fill or the opening named; None: none has, and it counts as shard 0."""

    @property
    def shard(self) -> int:
        return DEFAULT_SHARD if self.exchange_index is None else self.exchange_index

    def may_be_on(self, exchange_index: int) -> bool:
        """Return whether the market may be on that shard; one that has sums or open orders is on one already."""
        is_blank = self.fills == 0 and not self.open and self.yes_bought_centi == self.no_bought_centi == 0
        return exchange_index == self.shard or (self.exchange_index is None and is_blank and self.costs_micros == 0)

    @property
    def net_micros(self) -> int:
        """What the market adds to the available cash of its shard."""
        return self.payout_micros - self.fees_micros - self.costs_micros + self.pairs_micros - self.reserved_micros

    @property
    def position_centi(self) -> int:
        return self.yes_bought_centi - self.no_bought_centi

    @property
    def is_live(self) -> bool:
        """Whether an order is open, or the market has a position and has not settled."""
        return bool(self.open) or (self.settlement_cc is None and self.yes_bought_centi != self.no_bought_centi)

    @property
    def costs_micros(self) -> int:
        return self.yes_cost_micros + self.no_cost_micros

    @property
    def pairs_micros(self) -> int:
        return min(self.yes_bought_centi, self.no_bought_centi) * PAIR_MICROS_PER_CENTI

    @property
    def payout_micros(self) -> int:
        """What the unpaired contracts were paid; follows from sums and settlement, so a late fill may lower it."""
        if self.settlement_cc is None:
            return 0
        value_cc = self.settlement_cc if self.position_centi > 0 else no_price(self.settlement_cc)
        return abs(self.position_centi) * value_cc

    def held_against(self, side: BookSide) -> int:
        """The position that orders of that side would close."""
        against = self.yes_bought_centi - self.no_bought_centi
        if side is BookSide.BID:
            against = -against
        return max(0, against)


class LedgerEvent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The possible losses of an event's markets; see ``risk``."""

    exclusive: bool | None = None
    """Stays False once a granted reserve had it False; None before any reserve."""
    losses: dict[str, tuple[int, int]] = {}
    """By ticker: the loss in micros if YES wins, and if NO wins."""


class LedgerFill(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reported fill; its key is (exchange order id, trade id)."""

    ticker: str
    book_side: BookSide
    price_cc: int
    size_centi: int
    fee_micros: int
    parked: bool = False
    exchange_index: int = DEFAULT_SHARD


class LedgerAdjust(msgspec.Struct, frozen=True, array_like=True):
    """What the opening, or one ``adjust``, has added. Earlier versions stored the first two fields."""

    kind: str
    amount_micros: int
    exchange_index: int = DEFAULT_SHARD


class ShardTotals(msgspec.Struct, kw_only=True):
    """The part of the account's totals that is on one shard other than 0, which has the rest."""

    net_micros: int = 0
    """Available cash; below 0 the shard is overdrawn."""
    reserved_micros: int = 0


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A refused reserve, kept until its deadline."""

    request: Reserve
    reason: Reason


class Totals(msgspec.Struct, kw_only=True):
    """The account's sums over all markets and events."""

    deposits_micros: int = 0
    adjustments_micros: int = 0
    rounding_micros: int = 0
    interest_micros: int = 0
    fees_micros: int = 0
    payouts_micros: int = 0
    costs_micros: int = 0
    pairs_micros: int = 0
    reserved_micros: int = 0
    loss_micros: int = 0
    """The sum of the worst losses of all events, each at least 0."""
    open_orders: int = 0
    parked: int = 0
    in_transit_micros: int = 0
    """Cash that has been taken from one shard and has not arrived at another."""

    @property
    def net_micros(self) -> int:
        """Available cash on all shards; below 0 the account is overdrawn."""
        owned = self.deposits_micros + self.adjustments_micros + self.rounding_micros + self.interest_micros
        return (
            owned
            + self.payouts_micros
            - self.fees_micros
            - self.costs_micros
            + self.pairs_micros
            - self.reserved_micros
            - self.in_transit_micros
        )


def net_of_shard(totals: Totals, shards: Mapping[int, ShardTotals], exchange_index: int) -> int:
    """Return the available cash of one shard; below 0 it is overdrawn. Shard 0 has what is on no other one."""
    if exchange_index != DEFAULT_SHARD:
        return shards[exchange_index].net_micros if exchange_index in shards else 0
    elsewhere = sum([shard.net_micros for shard in shards.values()]) if shards else 0
    return totals.net_micros - elsewhere


def strictest_mode(holds: Iterable[tuple[str, Mode]], totals: Totals) -> Mode:
    """Return the mode of the account by its holds (name, mode): at least ``REDUCE_ONLY`` while overdrawn."""
    return _at_least_reduce_only(Mode.severest(holds), totals.net_micros < 0)


def _at_least_reduce_only(mode: Mode, is_overdrawn: bool) -> Mode:
    return Mode.REDUCE_ONLY if is_overdrawn and mode is Mode.RUNNING else mode


class LedgerState(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, dict=True):
    """The complete state of one account, without its journal, whose anchors have the same fields."""

    opened: bool = False
    exchange: str = ""
    clock_us: int = 0
    totals: Totals = msgspec.field(default_factory=Totals)
    limits: Limits = Limits()
    marks: Marks | None = None
    holds: dict[str, tuple[Mode, str]] = {}
    """By name: mode and owner."""
    epochs: dict[int, int] = {}
    """By partition."""
    counters: dict[str, int] = {}
    watermarks: dict[str, int] = {}
    adjusts: dict[str, LedgerAdjust] = {}
    """By id."""
    shards: dict[int, ShardTotals] = {}
    """Of the shards other than 0 on which something is."""
    transfers: dict[str, ShardTransferView] = {}
    """By our id: transfers between shards, also those that have ended."""
    transfer_ids: dict[str, str] = {}
    """The exchange's transfer id -> ours."""
    orders: dict[str, LedgerOrder] = {}
    exchange_ids: dict[str, str] = {}
    """The exchange's order id -> ours."""
    fills: dict[str, dict[str, LedgerFill]] = {}
    """The exchange's order id -> trade id -> fill."""
    markets: dict[str, LedgerMarket] = {}
    events: dict[str, LedgerEvent] = {}
    refusals: dict[str, Refusal] = {}
    grants_us: list[int] = []
    """The clock at each grant of the last minute."""

    @cached_property
    def live(self) -> set[str]:
        """The tickers of the live markets: an index, kept by ``market_update``. It follows from the markets, and so it
        is neither saved nor compared."""
        return {ticker for ticker, market in self.markets.items() if market.is_live}

    def mode(self) -> Mode:
        """Return the mode of the account."""
        return strictest_mode(self._hold_modes(), self.totals)

    def mode_in(self, ticker: str, exchange_index: int) -> Mode:
        """Return the mode of one market: the account's, or that of its own and its shard's holds and cash."""
        is_overdrawn = self.totals.net_micros < 0 or self.net_of(exchange_index) < 0
        return _at_least_reduce_only(Mode.severest(self._hold_modes(), ticker, exchange_index), is_overdrawn)

    def _hold_modes(self) -> list[tuple[str, Mode]]:
        return [(name, mode) for name, (mode, _) in self.holds.items()] if self.holds else []

    def net_of(self, exchange_index: int) -> int:
        """Return the available cash of one shard; below 0 it is overdrawn."""
        return net_of_shard(self.totals, self.shards, exchange_index)

    @property
    def available_micros(self) -> int:
        """Available cash on all shards that are not overdrawn."""
        return sum(max(0, self.net_of(exchange_index)) for exchange_index in (DEFAULT_SHARD, *self.shards))

    def add_to_shard(self, exchange_index: int, net_micros: int, reserved_micros: int = 0) -> None:
        """Change the part of the totals that is on one shard; shard 0 has the rest and is not stored."""
        if exchange_index == DEFAULT_SHARD:
            return
        shard = self.shards.setdefault(exchange_index, ShardTotals())
        shard.net_micros += net_micros
        shard.reserved_micros += reserved_micros
        if shard == ShardTotals():
            del self.shards[exchange_index]

    def open_orders(self, market: LedgerMarket) -> list[LedgerOrder]:
        return [self.orders[order_id] for order_id in market.open]
