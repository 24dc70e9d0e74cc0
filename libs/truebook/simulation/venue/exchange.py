"""The simulated exchange: deterministic, without sockets and clock.

Commands and times go in, results and events come out; equal commands give equal events, ids included. Markets, order
groups, cash between shards, subaccounts and reads are parts of their own: ``lifecycle``, ``groups``, ``cash``,
``subaccounts`` and ``queries``. The order of one command's events is documented in ``matching``. No event announces a
market's opening or close: read its status.
"""

from __future__ import annotations

from typing import Final

from truebook.simulation.events import SimulationEvent
from truebook.simulation.venue.account_book import AccountBook
from truebook.simulation.venue.engine import Engine
from truebook.simulation.venue.lifecycle import MarketLifecycle
from truebook.simulation.venue.matching import MatchingEngine
from truebook.simulation.venue.order_changes import Amendment, ChangeResponse, OrderChanges
from truebook.simulation.venue.order_groups import NO_SHARD, OrderGroups
from truebook.simulation.venue.orders import Rejected
from truebook.simulation.venue.queries import VenueQueries
from truebook.simulation.venue.shard_cash import ShardTransfers
from truebook.simulation.venue.shard_plan import Route, ShardChange, ShardPlan
from truebook.simulation.venue.subaccounts import Subaccounts
from truebook.venue.account import CancelResponse, CreateResponse, OrderRequest

MAX_KEPT: Final = 50_000
"""Ended orders, and fills, that an account of a synthetic exchange keeps: an hour at fifteen orders a second."""


def synthetic_exchange(
    seed: int, *, settlement_delay_us: int = 2_000_000, plan: ShardPlan | None = None
) -> SimulatedExchange:
    """Make an exchange with its own book, on which synthetic traders and accounts trade with each other."""
    accounts = AccountBook(seed, max_kept=MAX_KEPT, plan=plan)
    return SimulatedExchange(accounts, MatchingEngine(accounts), settlement_delay_us=settlement_delay_us)


class SimulatedExchange:
    """Order entry of accounts, on the markets of a matching engine that shares the account book."""

    def __init__(self, accounts: AccountBook, engine: Engine, *, settlement_delay_us: int) -> None:
        self.queries = VenueQueries(accounts, engine)
        self.lifecycle = MarketLifecycle(accounts, engine, settlement_delay_us)
        self.groups = OrderGroups(accounts, engine, self.lifecycle)
        self.cash = ShardTransfers(accounts, self.lifecycle)
        self.subaccounts = Subaccounts(accounts, self.lifecycle)
        self._changes = OrderChanges(accounts, engine, self.lifecycle)
        self._accounts = accounts
        self._engine = engine

    def open_account(self, account: str, balance_micros: int) -> None:
        """Open an account; raises ``ValueError`` where it exists already."""
        self._accounts.open_account(account, balance_micros)

    def advance(self, now_us: int) -> list[SimulationEvent]:
        """Execute what is due by now: openings, expiries, closes, payouts."""
        return self.lifecycle.advance(now_us)

    def next_due_us(self) -> int | None:
        """Return the time of the next calendar entry."""
        return self.lifecycle.next_due_us()

    def place(
        self, account: str, request: OrderRequest, at_us: int
    ) -> tuple[CreateResponse | Rejected, list[SimulationEvent]]:
        """Create an order: match it; the remainder rests or is cancelled by its time in force."""
        events = self.advance(at_us)
        now_us = self.lifecycle.now_us
        order = self._accounts.admit(account, request, now_us)
        if isinstance(order, Rejected):
            return order, events
        rejection = self.groups.rejection(order) or self._engine.book_rejection(order)
        if rejection is not None:
            return rejection, events
        self._accounts.accept(order)
        events += self._engine.execute(order, now_us)
        self.lifecycle.schedule_expiry(order)
        events += self.groups.trigger_reached()
        response = CreateResponse(
            exchange_order_id=order.exchange_order_id, client_order_id=request.client_order_id,
            filled_centi=order.filled_centi, remaining_centi=order.remaining_centi, processed_us=now_us,
        )  # fmt: skip
        return response, events

    def cancel(
        self, account: str, exchange_order_id: str, at_us: int, *, route: Route | None = None
    ) -> tuple[CancelResponse | Rejected, list[SimulationEvent]]:
        """Cancel a resting order; with a route only on the shard that it leads to."""
        events = self.advance(at_us)
        order = self._accounts.cancellable(account, exchange_order_id, route)
        if isinstance(order, Rejected):
            return order, events
        now_us, cancelled_centi = self.lifecycle.now_us, order.remaining_centi
        events += self._engine.cancel(order, None, now_us)
        response = CancelResponse(
            exchange_order_id=exchange_order_id, reduced_centi=cancelled_centi, processed_us=now_us
        )
        return response, events

    def cancel_all(self, account: str, at_us: int) -> list[SimulationEvent]:
        """Cancel all resting orders of an account, on all shards that take cancels."""
        events = self.advance(at_us)
        for order in self._accounts.open_orders(account):
            if self._accounts.shards.cancel_rejection(order.shard) is None:
                events += self._engine.cancel(order, None, self.lifecycle.now_us)
        return events

    def switch_shard(self, change: ShardChange, at_us: int) -> tuple[Rejected | None, list[SimulationEvent]]:
        """Pause or resume a shard, or its transfers; a pause cancels the orders that requested it."""
        events = self.advance(at_us)
        if change.exchange_index not in self._accounts.shards:
            return NO_SHARD, events
        self._accounts.shards.apply(change)
        if self._accounts.shards.entry_rejection(change.exchange_index) is not None:
            for account in self._accounts.accounts:
                for order in self._accounts.open_orders(account):
                    if order.shard == change.exchange_index and order.request.cancel_order_on_pause:
                        events += self._engine.cancel(order, None, self.lifecycle.now_us)
        return None, events

    def transfer(
        self, account: str, transfer_id: str, amount_micros: int, at_us: int
    ) -> tuple[Rejected | None, list[SimulationEvent]]:
        """Deposit, or withdraw (negative) cash that no order holds, once by its id."""
        events = self.advance(at_us)
        return self._accounts.transfer(account, transfer_id, amount_micros, self.lifecycle.now_us), events

    def decrease(
        self,
        account: str,
        exchange_order_id: str,
        at_us: int,
        *,
        by_centi: int | None = None,
        to_centi: int | None = None,
        route: Route | None = None,
    ) -> tuple[ChangeResponse | Rejected, list[SimulationEvent]]:
        """Reduce a resting order; exactly one of ``by_centi`` and ``to_centi`` is given."""
        events = self.advance(at_us)
        response, changes = self._changes.decrease(
            account, exchange_order_id, route, by_centi=by_centi, to_centi=to_centi
        )
        return response, events + changes

    def amend(
        self, account: str, exchange_order_id: str, amendment: Amendment, at_us: int, *, route: Route | None = None
    ) -> tuple[ChangeResponse | Rejected, list[SimulationEvent]]:
        """Change price, total size, expiry or client order id of a resting order; it may trade at once."""
        events = self.advance(at_us)
        response, changes = self._changes.amend(account, exchange_order_id, route, amendment)
        return response, events + changes + self.groups.trigger_reached()
