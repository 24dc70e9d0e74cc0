"""The ledger itself, as pure values: the specification that the Lua scripts in Redis reproduce to the last number.

    rules_state    what is remembered            rules_reserve  the one decision
    rules_promise  what open orders promise      rules_facts    what the exchange says
    rules_risk     the worst loss of an event    rules_account  opening, holds, limits, fences, forgetting
    rules_book     how a market is changed       rules_view     what is shown

``Ledger`` adds the journal: one entry per change, numbered from 1, from which ``replay`` makes the same state again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from truebook.ledger import rules_account, rules_facts, rules_reserve, rules_view
from truebook.ledger.port import AccountView, JournalEntry, MarketView, OrderView, SettleFill, StoreCorrupt, View
from truebook.ledger.rules_state import LedgerState
from truebook.ledger.verbs import ARGUMENTS_OF, VERB_OF, Arguments

RULES: Final[dict[str, Callable[[LedgerState, Any], tuple[str, bool]]]] = {
    "open_account": rules_account.open_account,
    "reserve": rules_reserve.reserve,
    "acknowledge": rules_facts.acknowledge,
    "settle_fill": rules_facts.settle_fill,
    "close": rules_facts.close,
    "mark_unknown": rules_facts.mark_unknown,
    "settle_market": rules_facts.settle_market,
    "adjust": rules_account.adjust,
    "hold": rules_account.hold,
    "release": rules_account.release,
    "set_limits": rules_account.set_limits,
    "raise_epoch": rules_account.raise_epoch,
    "next_number": rules_account.next_number,
    "advance_watermark": rules_account.advance_watermark,
    "forget": rules_account.forget,
}


class Ledger:
    """One account's state with its journal. ``incarnation`` names this history, so that two are not taken for one."""

    def __init__(self, incarnation: str) -> None:
        self.incarnation = incarnation
        self.state = LedgerState()
        self.seq = 0
        self._entries: list[JournalEntry] = []

    def apply(self, arguments: Arguments) -> str:
        """Run the verb that these arguments belong to and answer with its word; a change becomes a journal entry."""
        verb = VERB_OF[type(arguments)]
        result, changed = RULES[verb](self.state, arguments)
        if changed:
            self.seq += 1
            self._entries.append(
                JournalEntry(
                    seq=self.seq,
                    incarnation=self.incarnation,
                    verb=verb,
                    arguments=msgspec.Raw(msgspec.json.encode(arguments)),
                    result=result,
                )
            )
        return result

    def journal(self, after_seq: int, limit: int) -> tuple[JournalEntry, ...]:
        """Give the entries after a number, oldest first."""
        first = self._entries[0].seq if self._entries else self.seq + 1
        start = max(0, after_seq + 1 - first)
        return tuple(self._entries[start : start + limit])

    def trim_journal(self, through_seq: int) -> int:
        """Drop the entries up to and including that number; answer how many."""
        kept = [entry for entry in self._entries if entry.seq > through_seq]
        dropped = len(self._entries) - len(kept)
        self._entries = kept
        return dropped

    def view(self, tickers: Iterable[str] | None = None) -> View:
        """Show the account and the markets named (null: all), by ticker."""
        named = self.state.markets if tickers is None else set(tickers)
        markets: list[MarketView] = [
            rules_view.market_view(self.state.markets[ticker], self.state.open_orders(self.state.markets[ticker]))
            for ticker in sorted(named)
            if ticker in self.state.markets
        ]
        return View(account=self.account(), markets=tuple(markets))

    def account(self) -> AccountView:
        """Show the account's totals."""
        state = self.state
        return rules_view.account_view(
            state.totals,
            opened=state.opened,
            ledger_seq=self.seq,
            mode=state.mode,
            clock_us=state.clock_us,
            holds=((name, mode, owner) for name, (mode, owner) in state.holds.items()),
            limits=state.limits,
        )

    def order(self, order_id: str) -> OrderView | None:
        """Look an order up by our id."""
        order = self.state.orders.get(order_id)
        if order is None:
            return None
        market = self.state.markets.get(order.ticker)
        return rules_view.view_of_order(order, market, [] if market is None else self.state.open_orders(market))

    def order_of_exchange_id(self, exchange_order_id: str) -> OrderView | None:
        """Look an order up by the exchange's id."""
        order_id = self.state.exchange_ids.get(exchange_order_id)
        return None if order_id is None else self.order(order_id)

    def parked_fills(self) -> tuple[SettleFill, ...]:
        """List the fills that wait for their order to be known, by the exchange's order id and trade id."""
        return tuple(
            SettleFill(
                trade_id=trade_id,
                order_id=exchange_order_id,
                ticker=fill.ticker,
                book_side=fill.book_side,
                price_cc=fill.price_cc,
                size_centi=fill.size_centi,
                fee_micros=fill.fee_micros,
            )
            for exchange_order_id, fills in sorted(self.state.fills.items())
            for trade_id, fill in sorted(fills.items())
            if fill.parked
        )


def arguments_of(entry: JournalEntry) -> Arguments:
    """Decode the arguments of a journal entry; raises StoreCorrupt where they are not its verb's."""
    try:
        return msgspec.json.decode(entry.arguments, type=ARGUMENTS_OF[entry.verb])
    except (KeyError, msgspec.MsgspecError) as error:
        raise StoreCorrupt(f"journal entry {entry.seq} ({entry.verb}) can't be read: {error}") from error


def replay(entries: Iterable[JournalEntry], anchor: Ledger | None = None) -> Ledger:
    """Make the ledger again from its journal, continuing the anchor (changed in place) where one is given.

    Raises StoreCorrupt where a number is missing or an entry's result is not what the rules answer.
    """
    ledger = anchor
    for entry in entries:
        if ledger is None:
            ledger = Ledger(entry.incarnation)
        if entry.seq != ledger.seq + 1:
            raise StoreCorrupt(f"journal entry {ledger.seq + 1} is missing: found {entry.seq}")
        result = ledger.apply(arguments_of(entry))
        if result != entry.result or ledger.seq != entry.seq:
            raise StoreCorrupt(f"journal entry {entry.seq} ({entry.verb}): answers {result}, recorded {entry.result}")
    return ledger if ledger is not None else Ledger("")
