"""The ledger's port, implemented in memory and on Redis: apply a verb, read the account, read the journal.

Expected outcomes are returned (``verbs``); only a store that fails raises:

    LedgerError
    ├── StoreUnavailable   the server can't be reached, or the result of the call was lost: retry, every verb is
    │                      idempotent by its id
    ├── StoreFull          the server is out of memory: a decision is not taken, a fact is retried
    ├── StoreCorrupt       the stored account contradicts the rules, or has another schema: stop
    └── WrongExchange      the account was opened on another exchange: stop, before anything is read into it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from truebook.ledger.outcomes import AdjustKind, scope_of_hold
from truebook.ledger.outcomes import ShardTransferView as ShardTransferView
from truebook.ledger.outcomes import ShardView as ShardView
from truebook.ledger.verbs import Limits, Mode, OrderState, ResultT, SettleFill, Verb
from truebook.messages.envelope import BookSide
from truebook.money import PAIR_MICROS_PER_CENTI
from truebook.venue.shards import DEFAULT_SHARD


class LedgerError(Exception):
    """A ledger store failed."""

    retry = False


class StoreUnavailable(LedgerError):
    """The store can't be reached, or its response was lost; retrying the same call is safe."""

    retry = True


class StoreFull(LedgerError):
    """The store is out of memory."""

    retry = True


class StoreCorrupt(LedgerError):
    """The stored data contradict the rules or have another schema."""


class WrongExchange(LedgerError):
    """The account was opened on another exchange, or with another key."""


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """One order as the ledger has it."""

    order_id: str
    exchange_order_id: str | None
    ticker: str
    book_side: BookSide
    price_cc: int
    size_centi: int
    applied_centi: int
    """Recorded fills."""
    remaining_centi: int
    state: OrderState
    reduce_only: bool
    reserved_us: int
    deadline_us: int
    send_by_us: int
    expires_us: int
    opening_centi: int = 0
    """The part of the remainder that would open a position if it filled now."""


class MarketView(msgspec.Struct, frozen=True, kw_only=True):
    """One market's sums; they never decrease, not even by settlement."""

    ticker: str
    event: str
    yes_bought_centi: int
    yes_cost_micros: int
    no_bought_centi: int
    no_cost_micros: int
    position_centi: int
    settlement_cc: int | None
    payout_micros: int
    fees_micros: int
    fills: int = 0
    """How many fills are applied, also those whose ids have been pruned."""
    pruned_markets: int = 0
    """How many settled markets this record adds up: the one without a ticker; a payout is subtracted from its cost."""
    reserved_micros: int = 0
    """The reservation of its open orders, calculated from them."""
    exchange_index: int = DEFAULT_SHARD
    """The shard whose cash its orders use."""
    orders: tuple[OrderView, ...] = ()
    """The open orders: reserved, unknown, acknowledged, closing."""

    @property
    def net_micros(self) -> int:
        """What the market adds to the available cash of its shard."""
        pairs_micros = PAIR_MICROS_PER_CENTI * min(self.yes_bought_centi, self.no_bought_centi)
        spent_micros = self.fees_micros + self.yes_cost_micros + self.no_cost_micros + self.reserved_micros
        return self.payout_micros + pairs_micros - spent_micros


class HoldView(msgspec.Struct, frozen=True, kw_only=True):
    """A named reason not to trade freely, in one market if it is named ``NAME@TICKER``; only its owner releases it."""

    name: str
    mode: Mode
    owner: str


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """Profits of the account (equity less deposits, which no transfer changes) at the marks that the losses need."""

    day: int
    """Number of the trading day of the last mark."""
    day_start_micros: int
    peak_micros: int
    last_micros: int

    @property
    def daily_loss_micros(self) -> int:
        """The loss since the start of the day; negative: a gain."""
        return self.day_start_micros - self.last_micros

    @property
    def drawdown_micros(self) -> int:
        """The fall from the peak."""
        return self.peak_micros - self.last_micros


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """The account's totals at ``ledger_seq`` (the number of the newest journal entry)."""

    opened: bool
    exchange: str = ""
    """The exchange and account that it was opened on; empty: the opening named none."""
    ledger_seq: int
    mode: Mode
    cash_micros: int
    overdrawn_micros: int
    reserved_micros: int
    deposits_micros: int
    adjustments_micros: int
    rounding_micros: int
    interest_micros: int
    fees_micros: int
    payouts_micros: int
    costs_micros: int
    pairs_micros: int
    clock_us: int
    holds: tuple[HoldView, ...]
    limits: Limits
    parked: int
    """Fills whose order is not known yet."""
    marks: Marks | None = None
    """None: the equity was not marked since a limit of losses was set."""
    shards: tuple[ShardView, ...] = ()
    """By index: shard 0, and all others on which something is, with the parts of cash, overdrawn and reserved; empty:
    all is on shard 0."""
    in_transit_micros: int = 0
    """On no shard: what the open transfers have taken."""
    transfers: tuple[ShardTransferView, ...] = ()
    """The open transfers between shards, by id."""

    def shard(self, exchange_index: int) -> ShardView:
        """Return one shard; it has nothing if it is not listed."""
        if not self.shards and exchange_index == DEFAULT_SHARD:
            return ShardView(
                exchange_index=exchange_index, cash_micros=self.cash_micros, overdrawn_micros=self.overdrawn_micros,
                reserved_micros=self.reserved_micros,
            )  # fmt: skip
        listed = (shard for shard in self.shards if shard.exchange_index == exchange_index)
        return next(listed, ShardView(exchange_index=exchange_index))

    @property
    def owned_micros(self) -> int:
        """Cash with reservations and what is in transit, less what is overdrawn: the equity without positions."""
        return self.cash_micros - self.overdrawn_micros + self.reserved_micros + self.in_transit_micros

    def markets_held(self, name: str) -> frozenset[str]:
        """Return the markets in which the hold ``NAME@TICKER`` of that name is in force."""
        return frozenset(scope_of_hold(hold.name) for hold in self.holds if hold.name.startswith(f"{name}@"))


class Inflows(msgspec.Struct, frozen=True, kw_only=True):
    """What came in besides trading, added up from the records of the opening and of each adjustment."""

    deposits_micros: int
    adjustments_micros: int
    rounding_micros: int
    interest_micros: int
    on_shards: Mapping[int, int] = {}
    """By shard other than 0: its part of the four, and what transfers have brought to it or taken from it."""


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded under one id by ``adjust``."""

    kind: AdjustKind
    amount_micros: int
    exchange_index: int = DEFAULT_SHARD


class LedgerView(msgspec.Struct, frozen=True, kw_only=True):
    """A consistent read of the account and the requested markets."""

    account: AccountView
    markets: tuple[MarketView, ...]
    inflows: Inflows | None = None
    """None: a view of some markets only."""

    @property
    def errors_of_totals(self) -> dict[str, int]:
        """Return by name the totals that do not follow from their parts, each with total minus sum of the parts.

        The parts are the markets' sums, the reservations of open orders, the opening and the adjustments. ``cash`` is
        computed from all of them. Raises ValueError for a view of some markets only.
        """
        if self.inflows is None:
            raise ValueError("a view of some markets can't be checked")
        parts = msgspec.structs.asdict(self.inflows)
        on_shards = parts.pop("on_shards")
        came_in = sum(parts.values())
        parts["fees_micros"] = sum(market.fees_micros for market in self.markets)
        parts["payouts_micros"] = sum(market.payout_micros for market in self.markets)
        parts["costs_micros"] = sum(market.yes_cost_micros + market.no_cost_micros for market in self.markets)
        parts["pairs_micros"] = PAIR_MICROS_PER_CENTI * sum(
            min(market.yes_bought_centi, market.no_bought_centi) for market in self.markets
        )
        parts["reserved_micros"] = sum(market.reserved_micros for market in self.markets)
        parts["in_transit_micros"] = sum(transfer.amount_micros for transfer in self.account.transfers)
        spent = sum(parts[f"{name}_micros"] for name in ("fees", "costs", "reserved", "in_transit"))
        net = came_in + parts["payouts_micros"] + parts["pairs_micros"] - spent
        account = self.account
        errors = {"cash_micros": account.cash_micros - account.overdrawn_micros - net}
        errors |= {name: getattr(account, name) - amount for name, amount in parts.items()}
        errors |= self._errors_of_shards(on_shards)
        return {name: error for name, error in errors.items() if error}

    def _errors_of_shards(self, on_shards: Mapping[int, int]) -> dict[str, int]:
        """Compare each shard other than 0, which has the rest, with what came in there and its markets."""
        net, reserved = dict(on_shards), dict.fromkeys(on_shards, 0)
        for market in self.markets:
            index = market.exchange_index
            net[index] = net.get(index, 0) + market.net_micros
            reserved[index] = reserved.get(index, 0) + market.reserved_micros
        errors = {}
        for index in {*net, *(shard.exchange_index for shard in self.account.shards)} - {DEFAULT_SHARD}:
            shard = self.account.shard(index)
            errors[f"cash_micros of shard {index}"] = shard.net_micros - net.get(index, 0)
            errors[f"reserved_micros of shard {index}"] = shard.reserved_micros - reserved.get(index, 0)
        return errors

    @property
    def conservation_error_micros(self) -> int:
        """Return the error of available cash (invariant 1 in ``docs/ledger.md``), else of another total: always 0."""
        return next(iter(self.errors_of_totals.values()), 0)

    def mode_in(self, ticker: str, exchange_index: int) -> Mode:
        """Return the mode of one market: the account's, or that of a more severe hold of the market or its shard."""
        of_shard = Mode.REDUCE_ONLY if self.account.shard(exchange_index).overdrawn_micros else Mode.RUNNING
        if not self.account.holds and of_shard is Mode.RUNNING:
            return self.account.mode
        holds = ((hold.name, hold.mode) for hold in self.account.holds)
        of_market = Mode.severest(holds, ticker, exchange_index)
        return max(self.account.mode, of_market, of_shard, key=lambda mode: mode.severity)

    def market(self, ticker: str) -> MarketView | None:
        """Return the market of that ticker, or None if it is not in this view."""
        return next((market for market in self.markets if market.ticker == ticker), None)


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """A view of all markets, and by name what is stored but does not follow from its parts (stored minus derived)."""

    view: LedgerView
    errors: dict[str, int]


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the account, sufficient to replay it. ``arguments`` is the verb as JSON."""

    seq: int
    ledger_id: str
    verb: str
    arguments: msgspec.Raw
    result: str
    previous_hash: str = ""
    """In the journal's copy: the hash of the entry before, ``journal/chain.py``. Empty elsewhere, and in old ones."""


class LedgerStore(Protocol):
    """One account: every change is a verb that is applied; all other methods read (or trim the journal)."""

    @property
    def ledger_id(self) -> str:
        """The name of this history, as of the last view; a server that lost its data begins another one."""
        ...

    async def apply(self, verb: Verb[ResultT]) -> ResultT:
        """Apply a verb completely or not at all. A change becomes one journal entry."""
        ...

    async def view(self, tickers: tuple[str, ...] | None = None) -> LedgerView:
        """Read the account and these markets (None: all), consistently."""
        ...

    async def live_view(self) -> LedgerView:
        """Read the account and the live markets, consistently: with an open order, or a position and no settlement."""
        ...

    async def audit(self) -> Audit:
        """Read everything at one moment, and derive each total, count and mode again from its parts."""
        ...

    async def order(self, order_id: str) -> OrderView | None:
        """Return an order of any state by its client order id; None if the ledger has none (or refused it)."""
        ...

    async def order_of_exchange_id(self, exchange_order_id: str) -> OrderView | None: ...

    async def read_orders_and_market(
        self, order_ids: tuple[str, ...], ticker: str
    ) -> tuple[tuple[OrderView | None, ...], LedgerView]:
        """Read orders as ``order`` does, then one market as ``view`` does: what execution needs for one action."""
        orders = tuple([await self.order(order_id) for order_id in order_ids])
        return orders, await self.view((ticker,))

    async def parked_fills(self) -> tuple[SettleFill, ...]:
        """Return the fills whose order is not known yet: the reconciler looks these orders up."""
        ...

    async def adjustment(self, adjust_id: str) -> Adjustment | None:
        """Return what was recorded under that id; None if nothing was."""
        ...

    async def transfers(self) -> tuple[ShardTransferView, ...]:
        """Return all transfers between shards, also those that have ended, by id."""
        ...

    async def watermark(self, name: str) -> int:
        """Return the exchange time up to which a sweep of that name is complete; 0 at first."""
        ...

    async def journal(self, after_seq: int = 0, limit: int = 1000) -> tuple[JournalEntry, ...]:
        """Read journal entries in order, from the one after ``after_seq`` on."""
        ...

    async def trim_journal(self, through_seq: int) -> int:
        """Drop journal entries up to and including that number, once they are copied; return how many."""
        ...

    async def aclose(self) -> None: ...


class JournalEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a store's history."""

    ledger_id: str
    """The name of the history; empty if the store was emptied while this process was connected."""
    seq: int
    first_kept: int
    """The oldest journal entry that is not trimmed; 0 if there is none."""
    restoring: bool
    """A restore has begun and has not ended."""


class RestoringStore(LedgerStore, Protocol):
    """The only store that may change an account during a restore."""

    async def load(self, state: msgspec.Raw, seq: int) -> None:
        """Replace the whole account by the state after an entry (the rules' state as JSON).

        If that is interrupted, the account is empty and still being restored. Raises StoreCorrupt.
        """
        ...


class RestorableStore(LedgerStore, Protocol):
    """A store that can be restored from its journal while other processes are connected to it."""

    async def journal_end(self) -> JournalEnd: ...

    async def begin_restore(self, ledger_id: str, seq: int) -> RestoringStore | None:
        """Block all verbs and return the only store that may still apply them; the account shows the hold ``journal``.

        Verbs of all other stores raise StoreUnavailable until ``end_restore``, even if the server restarts. The
        returned store applies concurrent calls in the order in which they were made. Returns None, and changes nothing,
        if the account is not at that number of that history; an empty account (0) takes that history's name. A restore
        that another process began and did not end is taken over.
        """
        ...

    async def end_restore(self) -> None: ...
