"""The ledger's port: one method per verb, the same for the rules in memory and for Redis.

Arguments and answers are those of the shared ledger cases. Expected outcomes are words, not exceptions: a refusal is
an answer. Only a broken store raises (``StoreError`` and its kinds):

    LedgerError
    ├── StoreUnavailable   the server can't be reached, or the outcome of the call is not known: may be repeated,
    │                      since every verb is idempotent by its id
    ├── StoreFull          the server refuses writes for lack of memory: a decision is not taken, a fact is repeated
    └── StoreCorrupt       the stored account contradicts the rules, or is of another schema: stop
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from truebook.messages.envelope import BookSide


class LedgerError(Exception):
    """A ledger store could not do its work."""

    retry = False


class StoreUnavailable(LedgerError):
    """The store can't be reached, or its answer was lost; repeating the same call is safe."""

    retry = True


class StoreFull(LedgerError):
    """The store is out of memory."""

    retry = True


class StoreCorrupt(LedgerError):
    """The stored data contradict the rules or are of another schema."""


class AdoptedPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A position that the account held before the ledger was opened, taken over at its cost."""

    ticker: str
    event: str
    position_centi: int
    cost_micros: int


class Reserve(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for the right to send one order. All but ``nonce``, ``epoch``, ``now_us`` and ``reference_cc`` is content.

    ``send_by_us`` and ``expires_us`` are stored with the order (0: not given); they are content where given.
    """

    order_id: str
    nonce: str
    ticker: str
    event: str
    exclusive: bool
    book_side: BookSide
    price_cc: int
    size_centi: int
    reduce_only: bool
    fee_rate_ppm: int
    deadline_us: int
    now_us: int
    partition: int
    epoch: int
    reference_cc: int | None = None
    send_by_us: int = 0
    expires_us: int = 0


class Acknowledge(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange accepted an order; ``remaining_centi`` 0 makes ``filled_centi`` final."""

    order_id: str
    exchange_order_id: str
    ticker: str
    filled_centi: int
    remaining_centi: int


class SettleFill(msgspec.Struct, frozen=True, kw_only=True):
    """A fill told by the exchange; ``order_id`` is the exchange's. Key: (trade_id, order_id)."""

    trade_id: str
    order_id: str
    ticker: str
    book_side: BookSide
    price_cc: int
    size_centi: int
    fee_micros: int


class Close(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange says an order is terminal (or was rejected: filled 0). ``exchange_order_id`` null: not told."""

    order_id: str
    exchange_order_id: str | None
    filled_centi: int


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A record of limits; null is no limit. A new record replaces the old one whole."""

    price_collar_cc: int | None = None
    order_size_centi: int | None = None
    orders_per_minute: int | None = None
    open_orders: int | None = None
    market_centi: int | None = None
    event_loss_micros: int | None = None
    total_loss_micros: int | None = None
    cash_floor_micros: int | None = None


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """One order as the ledger holds it. ``state``: reserved, unknown, acknowledged, closing, terminal, foreign."""

    order_id: str
    exchange_order_id: str | None
    ticker: str
    book_side: BookSide
    price_cc: int
    size_centi: int
    applied_centi: int
    """Fills booked so far."""
    remaining_centi: int
    state: str
    reduce_only: bool
    reserved_us: int
    deadline_us: int
    send_by_us: int
    expires_us: int
    opening_centi: int = 0
    """The part of the remainder that would open a position now."""


class MarketView(msgspec.Struct, frozen=True, kw_only=True):
    """One market's sums; never reduced, also after settlement."""

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
    orders: tuple[OrderView, ...] = ()
    """The open orders: reserved, unknown, acknowledged, closing."""


class HoldView(msgspec.Struct, frozen=True, kw_only=True):
    """A named reason not to trade freely; only its owner releases it."""

    name: str
    mode: str
    owner: str


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """The account's totals at ``ledger_seq`` (the number of the newest journal entry)."""

    opened: bool
    ledger_seq: int
    mode: str
    """running, reduce_only, flattening or halted."""
    cash_micros: int
    overdrawn_micros: int
    promised_micros: int
    deposits_micros: int
    adjustments_micros: int
    rounding_micros: int
    fees_micros: int
    payouts_micros: int
    costs_micros: int
    pairs_micros: int
    clock_us: int
    holds: tuple[HoldView, ...]
    limits: Limits
    parked: int
    """Fills that wait for their order to be known."""

    @property
    def conservation_error_micros(self) -> int:
        """Invariant 1 of DESIGN section 7: always 0."""
        held = self.cash_micros - self.overdrawn_micros + self.promised_micros
        return held - (
            self.deposits_micros + self.adjustments_micros + self.rounding_micros - self.costs_micros
            + self.pairs_micros + self.payouts_micros - self.fees_micros
        )  # fmt: skip


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A consistent read: the account and the markets asked for (all, where none was named)."""

    account: AccountView
    markets: tuple[MarketView, ...]

    def market(self, ticker: str) -> MarketView | None:
        """The market of that ticker, or null where the ledger does not know it."""
        return next((market for market in self.markets if market.ticker == ticker), None)


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the account: enough to replay it. ``arguments`` is the verb's own struct as JSON."""

    seq: int
    incarnation: str
    verb: str
    arguments: msgspec.Raw
    result: str


class LedgerStore(Protocol):
    """The verbs. Each answers with a word of the case tables (``refused:cash``, ``exists:acknowledged``, ...)."""

    async def open_account(self, balance_micros: int, positions: tuple[AdoptedPosition, ...]) -> str: ...
    async def reserve(self, order: Reserve) -> str: ...
    async def acknowledge(self, news: Acknowledge) -> str: ...
    async def settle_fill(self, fill: SettleFill) -> str: ...
    async def close(self, news: Close) -> str: ...
    async def mark_unknown(self, order_id: str) -> str: ...
    async def settle_market(self, ticker: str, settlement_cc: int) -> str:
        """Answer settled, duplicate, invalid or ``conflict`` (another value is known: the caller places the hold)."""
        ...

    async def adjust(self, adjust_id: str, amount_micros: int, kind: str, reason: str) -> str: ...
    async def hold(self, name: str, mode: str, owner: str) -> str: ...
    async def release(self, name: str, owner: str) -> str: ...
    async def set_limits(self, limits: Limits) -> str: ...
    async def raise_epoch(self, partition: int, epoch: int) -> str: ...
    async def next_number(self, name: str) -> int:
        """Count up a named counter (epochs of ingest, of partitions) and answer its new value; never repeats."""
        ...

    async def view(self, tickers: tuple[str, ...] | None = None) -> View:
        """Read the account and these markets (null: all that the ledger knows), consistently."""
        ...

    async def order(self, order_id: str) -> OrderView | None:
        """Look one order up by its client order id, in any state; null where the ledger has none (or refused it)."""
        ...

    async def look(self, order_ids: tuple[str, ...], ticker: str) -> tuple[tuple[OrderView | None, ...], View]:
        """Look orders up as ``order`` does, then read one market as ``view`` does: what a decision has to know."""
        orders = tuple([await self.order(order_id) for order_id in order_ids])
        return orders, await self.view((ticker,))

    async def order_of_exchange_id(self, exchange_order_id: str) -> OrderView | None: ...

    async def parked_fills(self) -> tuple[SettleFill, ...]:
        """List the fills that wait for their order to be known: what the reconciler has to look up."""
        ...

    async def journal(self, after_seq: int = 0, limit: int = 1000) -> tuple[JournalEntry, ...]:
        """Read the journal in its order, from the entry after ``after_seq`` on."""
        ...

    async def trim_journal(self, through_seq: int) -> int:
        """Drop journal entries up to and including that number, once they have been relayed; answer how many."""
        ...

    async def watermark(self, name: str) -> int:
        """The exchange time up to which a sweep of that name is complete; 0 at first."""
        ...

    async def advance_watermark(self, name: str, to_us: int) -> int:
        """Move a watermark forward (never back) and answer where it stands."""
        ...

    async def forget(self, terminal_before_us: int) -> int:
        """Drop terminal orders and fill ids older than the backfill horizon; answer how many. Sums stay."""
        ...

    async def aclose(self) -> None: ...


class JournalEnd(msgspec.Struct, frozen=True, kw_only=True):
    """Where a store's history stands."""

    incarnation: str
    """The name of the history; empty where the store was emptied since anybody connected to it."""
    seq: int
    first_kept: int
    """The oldest journal entry that is not trimmed yet; 0 where there is none."""
    fenced: bool


class RestorableStore(LedgerStore, Protocol):
    """A store that can be brought up to its journal while other processes are connected to it."""

    async def journal_end(self) -> JournalEnd: ...

    async def fence(self, incarnation: str, seq: int) -> LedgerStore | None:
        """Fence the account off: only the store that is answered may change it, and it shows the hold ``journal``.

        Verbs of all others raise StoreUnavailable until ``unfence``, also over a restart of the server. The store that
        is answered carries out calls that are made at once in the order in which they were made. Null, and nothing is
        done, where the account is not at that number; at 0, empty, it takes the history's name over. A fence that
        somebody left behind is taken over.
        """
        ...

    async def unfence(self) -> None: ...
