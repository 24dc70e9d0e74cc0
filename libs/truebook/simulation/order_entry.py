"""Order entry: the commands of accounts, the same whether the market is the engine's own or a recorded one.

Time never goes back: a command with an earlier time is taken at the newest time seen, and every command first carries
out what was due before it (expiries, closes, settlements), whose events come first.
"""

from __future__ import annotations

from truebook.simulation.desk import Desk
from truebook.simulation.engine import Engine
from truebook.simulation.events import SimulationEvent
from truebook.simulation.lifecycle import LifeCycle
from truebook.simulation.order_changes import Amendment, ChangeAnswer, OrderChanges
from truebook.simulation.order_groups import GroupChange, OrderGroups
from truebook.simulation.orders import Rejected
from truebook.simulation.reads import VenueReads
from truebook.venue.account import CancelAnswer, CreateAnswer, ExchangeOrderGroup, OrderRequest


class OrderEntry(VenueReads):
    """A venue that takes orders."""

    def __init__(self, desk: Desk, engine: Engine, settlement_delay_us: int) -> None:
        super().__init__(desk, engine)
        self._life = LifeCycle(desk, engine, settlement_delay_us)
        self._changes = OrderChanges(desk, engine, self._life)
        self._groups = OrderGroups(desk, engine)
        self._now_us = 0

    def open_account(self, account: str, balance_micros: int) -> None:
        """Open an account; raises ``ValueError`` where it exists already."""
        self._desk.open_account(account, balance_micros)

    def advance(self, now_us: int) -> list[SimulationEvent]:
        """Carry out what is due by now: expiries, closes, settlements."""
        self._now_us = max(self._now_us, now_us)
        return self._life.advance(self._now_us)

    def next_due_us(self) -> int | None:
        """Give the time of the next thing that happens by itself."""
        return self._life.next_due_us()

    def place(
        self, account: str, request: OrderRequest, at_us: int
    ) -> tuple[CreateAnswer | Rejected, list[SimulationEvent]]:
        """Take an order: match it, let the rest stand or end as its time in force says."""
        events = self.advance(at_us)
        order = self._desk.admit(account, request, self._now_us)
        if isinstance(order, Rejected):
            return order, events
        refusal = self._refused_by_group(account, request) or self._engine.refused_by_book(order)
        if refusal is not None:
            return refusal, events
        self._desk.accept(order)
        events += self._engine.execute(order, self._now_us)
        self._life.watch_expiry(order)
        events += self._groups.settle(self._now_us)
        answer = CreateAnswer(
            exchange_order_id=order.exchange_order_id,
            client_order_id=request.client_order_id,
            filled_centi=order.filled_centi,
            remaining_centi=order.remaining_centi,
            processed_us=self._now_us,
        )
        return answer, events

    def _refused_by_group(self, account: str, request: OrderRequest) -> Rejected | None:
        group_id = request.order_group_id
        return None if group_id is None else self._groups.refusal(account, group_id)

    def cancel(
        self, account: str, exchange_order_id: str, at_us: int
    ) -> tuple[CancelAnswer | Rejected, list[SimulationEvent]]:
        """Take a resting order off the book."""
        events = self.advance(at_us)
        order = self._desk.cancellable(account, exchange_order_id)
        if isinstance(order, Rejected):
            return order, events
        reduced_centi = order.remaining_centi
        events += self._engine.take_off(order, None, self._now_us)
        answer = CancelAnswer(
            exchange_order_id=exchange_order_id, reduced_centi=reduced_centi, processed_us=self._now_us
        )
        return answer, events

    def decrease(
        self,
        account: str,
        exchange_order_id: str,
        at_us: int,
        *,
        by_centi: int | None = None,
        to_centi: int | None = None,
    ) -> tuple[ChangeAnswer | Rejected, list[SimulationEvent]]:
        """Make a resting order smaller; exactly one of ``by_centi`` and ``to_centi`` is given."""
        events = self.advance(at_us)
        answer, changes = self._changes.decrease(
            account, exchange_order_id, self._now_us, by_centi=by_centi, to_centi=to_centi
        )
        return answer, events + changes

    def amend(
        self, account: str, exchange_order_id: str, wanted: Amendment, at_us: int
    ) -> tuple[ChangeAnswer | Rejected, list[SimulationEvent]]:
        """Change price, total size, expiry or client id of a resting order; it may trade at once."""
        events = self.advance(at_us)
        answer, changes = self._changes.amend(account, exchange_order_id, wanted, self._now_us)
        return answer, events + changes + self._groups.settle(self._now_us)

    def cancel_all(self, account: str, at_us: int) -> list[SimulationEvent]:
        """Take all of an account's resting orders off the books."""
        events = self.advance(at_us)
        for order in self._desk.open_orders(account):
            events += self._engine.take_off(order, None, self._now_us)
        return events

    def create_group(
        self, account: str, limit_centi: int, at_us: int
    ) -> tuple[ExchangeOrderGroup | Rejected, list[SimulationEvent]]:
        """Make an order group that may trade so much within fifteen seconds."""
        events = self.advance(at_us)
        answer, changes = self._groups.create(account, limit_centi, self._now_us)
        return answer, events + changes

    def change_group(
        self, account: str, group_id: str, change: GroupChange, at_us: int, *, limit_centi: int = 0
    ) -> tuple[ExchangeOrderGroup | Rejected, list[SimulationEvent]]:
        """Reset, trigger or delete an order group, or set its limit (the only one for which ``limit_centi`` counts)."""
        events = self.advance(at_us)
        answer, changes = self._groups.change(account, group_id, change, self._now_us, limit_centi)
        return answer, events + changes

    def groups(self, account: str) -> list[ExchangeOrderGroup]:
        """List an account's order groups, oldest first."""
        self._desk.account(account)
        return self._groups.of_account(account)
