"""The ledger as pure values: the specification that the Lua scripts in Redis reproduce exactly.

    state             what is stored                 reserve           the one decision
    reservation       cash reserved for orders       exchange_reports  what the exchange reports
    risk              the worst loss of an event     account           opening, holds, limits, epochs, pruning
    market_update     how a market is changed        loss_limits       marks of the equity
    views             what is read                   transfers         cash between shards

``Ledger`` adds the journal: one entry per change, numbered from 1, from which ``replay`` makes the same state again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from truebook.ledger.outcomes import AdjustKind
from truebook.ledger.port import (
    AccountView,
    Adjustment,
    Audit,
    HoldView,
    JournalEntry,
    LedgerView,
    MarketView,
    OrderView,
    ShardTransferView,
    StoreCorrupt,
)
from truebook.ledger.rules import account, exchange_reports, loss_limits, reserve, transfers, views
from truebook.ledger.rules.audit import errors_of_parts, parts_of
from truebook.ledger.rules.state import LedgerState
from truebook.ledger.verbs import VERBS, ResultT, SettleFill, Verb

Rule = Callable[[LedgerState, Any], tuple[Any, bool]]
"""Takes the state and a verb; returns the verb's result and whether anything changed."""
_RULES: Final[tuple[Rule, ...]] = (
    account.open_account, reserve.reserve, exchange_reports.acknowledge, exchange_reports.settle_fill,
    exchange_reports.close, exchange_reports.mark_unknown, exchange_reports.settle_market, account.adjust, account.hold,
    account.release, account.set_limits, loss_limits.mark_equity, account.raise_epoch, account.next_number,
    account.bind_exchange, account.advance_watermark, account.prune, transfers.request_transfer,
    transfers.report_transfer,
)  # fmt: skip
RULES: Final = {rule.__name__: rule for rule in _RULES}
"""By verb: its rule, the function of that name."""


class Ledger:
    """One account's state with its journal. ``ledger_id`` names the history, which distinguishes it from others."""

    def __init__(self, ledger_id: str) -> None:
        self.ledger_id = ledger_id
        self.state = LedgerState()
        self.seq = 0
        self._entries: list[JournalEntry] = []

    @classmethod
    def from_state(cls, ledger_id: str, seq: int, state: msgspec.Raw) -> Ledger:
        """Make the ledger from its saved state after an entry; raises StoreCorrupt if that can't be read."""
        ledger = cls(ledger_id)
        ledger.seq = seq
        try:
            ledger.state = msgspec.json.decode(state, type=LedgerState)
        except msgspec.MsgspecError as error:
            raise StoreCorrupt(f"the saved state after journal entry {seq} can't be read: {error}") from error
        return ledger

    def saved_state(self) -> msgspec.Raw:
        """Return the state as JSON."""
        return msgspec.Raw(msgspec.json.encode(self.state))

    def apply(self, verb: Verb[ResultT]) -> ResultT:
        """Apply a verb and return its result; a change becomes a journal entry."""
        result: ResultT
        result, changed = RULES[verb.VERB](self.state, verb)
        if changed:
            self.seq += 1
            self.changed(verb, result)
        return result

    def changed(self, verb: Verb[ResultT], result: ResultT) -> None:
        """Append the journal entry of the change that ``seq`` just counted."""
        self._entries.append(
            JournalEntry(
                seq=self.seq,
                ledger_id=self.ledger_id,
                verb=verb.VERB,
                arguments=msgspec.Raw(msgspec.json.encode(verb)),
                result=str(result),
            )
        )

    def journal(self, after_seq: int, limit: int) -> tuple[JournalEntry, ...]:
        """Return the entries after a number, oldest first."""
        first = self._entries[0].seq if self._entries else self.seq + 1
        start = max(0, after_seq + 1 - first)
        return tuple(self._entries[start : start + limit])

    def trim_journal(self, through_seq: int) -> int:
        """Drop the entries up to and including that number; return how many."""
        kept = [entry for entry in self._entries if entry.seq > through_seq]
        dropped = len(self._entries) - len(kept)
        self._entries = kept
        return dropped

    def view(self, tickers: Iterable[str] | None = None) -> LedgerView:
        """Return the account and the named markets (None: all), sorted by ticker."""
        named = self.state.markets if tickers is None else set(tickers)
        state = self.state
        markets = [self.market(ticker) for ticker in sorted(named) if ticker in state.markets]
        inflows = views.inflows(state.adjusts.values(), state.transfers.values()) if tickers is None else None
        return LedgerView(account=self.account(), markets=tuple(markets), inflows=inflows)

    def live_view(self) -> LedgerView:
        """Return the account and the live markets, sorted by ticker: those with a position or an open order."""
        return self.view(self.state.live)

    def market(self, ticker: str) -> MarketView:
        """Return a market of the ledger; raises ``KeyError`` for others."""
        record = self.state.markets[ticker]
        return views.market_view(record, self.state.open_orders(record))

    def audit(self) -> Audit:
        """Return a view of all, and what does not follow from its parts."""
        view = self.view()
        return Audit(view=view, errors=view.errors_of_totals | errors_of_parts(self.state.totals, parts_of(self.state)))

    def account(self) -> AccountView:
        """Return the account's totals."""
        state = self.state
        return views.account_view(
            state.totals,
            opened=state.opened,
            exchange=state.exchange,
            ledger_seq=self.seq,
            mode=state.mode(),
            clock_us=state.clock_us,
            holds=(HoldView(name=name, mode=mode, owner=owner) for name, (mode, owner) in state.holds.items()),
            limits=state.limits,
            marks=state.marks,
            shards=state.shards,
            transfers=(transfer for transfer in state.transfers.values() if transfer.state.is_open),
        )

    def order(self, order_id: str) -> OrderView | None:
        """Return an order by our id."""
        order = self.state.orders.get(order_id)
        if order is None:
            return None
        market = self.state.markets.get(order.ticker)
        return views.view_of_order(order, market, [] if market is None else self.state.open_orders(market))

    def order_of_exchange_id(self, exchange_order_id: str) -> OrderView | None:
        """Return an order by the exchange's id."""
        order_id = self.state.exchange_ids.get(exchange_order_id)
        return None if order_id is None else self.order(order_id)

    def adjustment(self, adjust_id: str) -> Adjustment | None:
        """Return what was recorded under that id."""
        known = self.state.adjusts.get(adjust_id)
        if known is None:
            return None
        return Adjustment(
            kind=AdjustKind(known.kind), amount_micros=known.amount_micros, exchange_index=known.exchange_index
        )

    def transfers(self) -> tuple[ShardTransferView, ...]:
        """Return all transfers between shards, by id."""
        return tuple(transfer for _, transfer in sorted(self.state.transfers.items()))

    def parked_fills(self) -> tuple[SettleFill, ...]:
        """Return the fills whose order is not known yet, sorted by the exchange's order id and trade id."""
        return tuple(
            views.parked_fill(exchange_order_id, trade_id, fill)
            for exchange_order_id, fills in sorted(self.state.fills.items())
            for trade_id, fill in sorted(fills.items())
            if fill.parked
        )


def verb_of(entry: JournalEntry) -> Verb[Any]:
    """Decode the verb of a journal entry; raises StoreCorrupt if the arguments are not that verb's."""
    try:
        verb: Verb[Any] = msgspec.json.decode(entry.arguments, type=VERBS[entry.verb])
    except (KeyError, msgspec.MsgspecError) as error:
        raise StoreCorrupt(f"journal entry {entry.seq} ({entry.verb}) can't be read: {error}") from error
    return verb


def replay(entries: Iterable[JournalEntry], anchor: Ledger | None = None) -> Ledger:
    """Make the ledger again from its journal, continuing the anchor (changed in place) if given.

    Raises StoreCorrupt if a number is missing or an entry's result is not what the rules return.
    """
    ledger = anchor
    for entry in entries:
        if ledger is None:
            ledger = Ledger(entry.ledger_id)
        replay_entry(ledger, entry, verb_of(entry))
    return ledger if ledger is not None else Ledger("")


def replay_entry(ledger: Ledger, entry: JournalEntry, verb: Verb[Any]) -> None:
    """Apply the next entry, whose verb is decoded.

    Raises StoreCorrupt if a number is missing or the entry's result is not what the rules return.
    """
    if entry.seq != ledger.seq + 1:
        raise StoreCorrupt(f"journal entry {ledger.seq + 1} is missing: found {entry.seq}")
    result = str(ledger.apply(verb))
    if result != entry.result or ledger.seq != entry.seq:
        raise StoreCorrupt(f"journal entry {entry.seq} ({entry.verb}): returned {result}, recorded {entry.result}")
