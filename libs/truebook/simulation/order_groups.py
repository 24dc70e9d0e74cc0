"""Order groups: a bound on how many contracts an account's group of orders may trade within fifteen seconds.

A group whose bound is reached is *triggered*: its resting orders are cancelled, and it takes no new ones until it is
reset. The bound is looked at after each command and each event of the market, so that one order which trades at once
with several may go beyond it. Source: kalshi-api, section 2.8.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Final

from truebook.simulation.desk import NOT_FOUND, Desk, invalid_parameters
from truebook.simulation.engine import Engine
from truebook.simulation.events import GroupChanged, GroupEvent, SimulationEvent
from truebook.simulation.orders import Rejected
from truebook.venue.account import ExchangeOrderGroup

WINDOW_US: Final = 15_000_000
LIMIT_TOO_SMALL: Final = invalid_parameters("the limit of an order group is above 0")


class GroupChange(StrEnum):
    """What can be done to an order group."""

    RESET = "reset"
    TRIGGER = "trigger"
    DELETE = "delete"
    LIMIT = "limit"


class _Group:
    """One group's bound and what its orders have traded of late, oldest first."""

    def __init__(self, group_id: str, limit_centi: int) -> None:
        self.group_id = group_id
        self.limit_centi = limit_centi
        self.is_triggered = False
        self._matched: deque[tuple[int, int]] = deque()
        self._matched_centi = 0

    def count(self, size_centi: int, at_us: int) -> None:
        self._matched.append((at_us, size_centi))
        self._matched_centi += size_centi

    def is_reached(self, now_us: int) -> bool:
        """Whether the bound is reached by what was traded in the window that ends now."""
        while self._matched and self._matched[0][0] <= now_us - WINDOW_US:
            self._matched_centi -= self._matched.popleft()[1]
        return self._matched_centi >= self.limit_centi

    def reset(self) -> None:
        self.is_triggered = False
        self._matched.clear()
        self._matched_centi = 0


class OrderGroups:
    """The groups of all accounts, each in the order in which they were made."""

    def __init__(self, desk: Desk, engine: Engine) -> None:
        self._desk = desk
        self._engine = engine
        self._groups: dict[str, dict[str, _Group]] = {}

    def refusal(self, account: str, group_id: str) -> Rejected | None:
        """Say why the group takes no new order; null where it does."""
        group = self._groups.get(account, {}).get(group_id)
        if group is None:
            return Rejected(404, "order_group_not_found", "order group not found")
        if group.is_triggered:
            return Rejected(409, "exceeded_order_group_risk_limit", "the order group is triggered: reset it first")
        return None

    def create(
        self, account: str, limit_centi: int, at_us: int
    ) -> tuple[ExchangeOrderGroup | Rejected, list[SimulationEvent]]:
        """Make a group that may trade so much within the window."""
        if limit_centi < 1:
            return LIMIT_TOO_SMALL, []
        group = _Group(self._desk.next_id("group", account), limit_centi)
        self._groups.setdefault(account, {})[group.group_id] = group
        return self._picture(account, group), [self._changed(account, group, GroupEvent.CREATED, at_us)]

    def change(
        self, account: str, group_id: str, change: GroupChange, at_us: int, limit_centi: int
    ) -> tuple[ExchangeOrderGroup | Rejected, list[SimulationEvent]]:
        """Reset, trigger, limit or delete a group; ``limit_centi`` counts for a new limit alone."""
        group = self._groups.get(account, {}).get(group_id)
        if group is None:
            return NOT_FOUND, []
        if change is GroupChange.LIMIT and limit_centi < 1:
            return LIMIT_TOO_SMALL, []
        events = self._carry_out(account, group, change, at_us, limit_centi)
        return self._picture(account, group), events

    def _carry_out(
        self, account: str, group: _Group, change: GroupChange, at_us: int, limit_centi: int
    ) -> list[SimulationEvent]:
        match change:
            case GroupChange.LIMIT:
                group.limit_centi = limit_centi
                events = [self._changed(account, group, GroupEvent.LIMIT_UPDATED, at_us)]
                return events + (self._trigger(account, group, at_us) if group.is_reached(at_us) else [])
            case GroupChange.TRIGGER:
                return self._trigger(account, group, at_us)
            case GroupChange.RESET:
                group.reset()
                return [self._changed(account, group, GroupEvent.RESET, at_us)]
            case GroupChange.DELETE:
                del self._groups[account][group.group_id]
                told = self._changed(account, group, GroupEvent.DELETED, at_us)
                return [told, *self._cancel(account, group, at_us)]

    def settle(self, now_us: int) -> list[SimulationEvent]:
        """Count what the groups' orders have traded since the last look, and trigger those whose bound is reached."""
        events: list[SimulationEvent] = []
        for order, size_centi, at_us in self._desk.take_group_fills():
            group = self._groups.get(order.account, {}).get(order.request.order_group_id or "")
            if group is None:  # deleted, and its orders with it
                continue
            group.count(size_centi, at_us)
            if group.is_reached(now_us):
                events += self._trigger(order.account, group, now_us)
        return events

    def of_account(self, account: str) -> list[ExchangeOrderGroup]:
        return [self._picture(account, group) for group in self._groups.get(account, {}).values()]

    def _trigger(self, account: str, group: _Group, at_us: int) -> list[SimulationEvent]:
        """Trigger a group; one that is triggered stays so, and nobody is told again."""
        if group.is_triggered:
            return []
        group.is_triggered = True
        return [self._changed(account, group, GroupEvent.TRIGGERED, at_us), *self._cancel(account, group, at_us)]

    def _cancel(self, account: str, group: _Group, at_us: int) -> list[SimulationEvent]:
        events: list[SimulationEvent] = []
        for order in self._desk.open_orders(account):
            if order.request.order_group_id == group.group_id:
                events += self._engine.take_off(order, None, at_us)
        return events

    def _picture(self, account: str, group: _Group) -> ExchangeOrderGroup:
        return ExchangeOrderGroup(
            group_id=group.group_id,
            limit_centi=group.limit_centi,
            is_triggered=group.is_triggered,
            orders=tuple(
                order.exchange_order_id
                for order in self._desk.open_orders(account)
                if order.request.order_group_id == group.group_id
            ),
        )

    def _changed(self, account: str, group: _Group, kind: GroupEvent, at_us: int) -> SimulationEvent:
        return GroupChanged(
            at_us=at_us, account=account, group_id=group.group_id, kind=kind, limit_centi=group.limit_centi
        )
