"""Order groups: a limit on the contracts that an account's group of orders may trade within fifteen seconds.

A group is local to one shard. One that reaches its limit is *triggered*: its resting orders are cancelled, and it
accepts no new ones until it is reset. The limit is checked after each command and each market event, so that one order
which matches several at once may exceed it. Source: Kalshi API, order groups.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Final

from truebook.simulation.events import GroupChanged, GroupEvent, SimulationEvent
from truebook.simulation.venue.account_book import NOT_FOUND, AccountBook, invalid_parameters
from truebook.simulation.venue.engine import Engine
from truebook.simulation.venue.lifecycle import MarketLifecycle
from truebook.simulation.venue.orders import LiveOrder, Rejected
from truebook.venue.account import ExchangeOrderGroup
from truebook.venue.shards import DEFAULT_SHARD

WINDOW_US: Final = 15_000_000
LIMIT_TOO_SMALL: Final = invalid_parameters("the limit of an order group must be above 0")
NO_SHARD: Final = invalid_parameters("the exchange does not have this shard")


class GroupChange(StrEnum):
    """The changes of an order group."""

    RESET = "reset"
    TRIGGER = "trigger"
    DELETE = "delete"
    LIMIT = "limit"


class _Group:
    """One group's limit and its recent fills, oldest first."""

    def __init__(self, group_id: str, limit_centi: int, shard: int) -> None:
        self.group_id = group_id
        self.shard = shard
        self.limit_centi = limit_centi
        self.is_triggered = False
        self._matched: deque[tuple[int, int]] = deque()
        self._matched_centi = 0

    def add_fill(self, size_centi: int, at_us: int) -> None:
        self._matched.append((at_us, size_centi))
        self._matched_centi += size_centi

    def is_used_up(self, now_us: int, *, above_limit: bool) -> bool:
        """Return whether the fills in the window that ends now reach the limit, or exceed it (``above_limit``)."""
        while self._matched and self._matched[0][0] <= now_us - WINDOW_US:
            self._matched_centi -= self._matched.popleft()[1]
        return self._matched_centi >= self.limit_centi + above_limit

    def reset(self) -> None:
        self.is_triggered = False
        self._matched.clear()
        self._matched_centi = 0


class OrderGroups:
    """The groups of all accounts, in the order of creation."""

    def __init__(self, accounts: AccountBook, engine: Engine, lifecycle: MarketLifecycle) -> None:
        self._accounts = accounts
        self._engine = engine
        self._lifecycle = lifecycle
        self._groups: dict[str, dict[str, _Group]] = {}
        self.triggers_above_limit = False
        """Whether a group is triggered above its limit only, not at it: Kalshi's documents have both."""

    def rejection(self, order: LiveOrder) -> Rejected | None:
        """Return why an order is rejected because of its group; None where it is accepted or has no group."""
        group_id = order.request.order_group_id
        if group_id is None:
            return None
        group = self._groups.get(order.account, {}).get(group_id)
        if group is None or group.shard != order.shard:
            return Rejected(404, "order_group_not_found", "order group not found")
        if group.is_triggered:
            return Rejected(409, "exceeded_order_group_risk_limit", "the order group is triggered: reset it first")
        return None

    def create(
        self, account: str, limit_centi: int, at_us: int, *, shard: int = DEFAULT_SHARD
    ) -> tuple[ExchangeOrderGroup | Rejected, list[SimulationEvent]]:
        """Create a group of one shard with a limit per window."""
        events = self._lifecycle.advance(at_us)
        if limit_centi < 1:
            return LIMIT_TOO_SMALL, events
        if shard not in self._accounts.shards:
            return NO_SHARD, events
        group = _Group(self._accounts.next_id("group", account), limit_centi, shard)
        self._groups.setdefault(account, {})[group.group_id] = group
        return self._exported(account, group), [*events, self._changed(account, group, GroupEvent.CREATED)]

    def change(
        self, account: str, group_id: str, change: GroupChange, at_us: int, *, limit_centi: int = 0,
        shard: int = DEFAULT_SHARD,
    ) -> tuple[ExchangeOrderGroup | Rejected, list[SimulationEvent]]:  # fmt: skip
        """Reset, trigger or delete a group, or set its limit (the only change that reads ``limit_centi``)."""
        events = self._lifecycle.advance(at_us)
        group = self._groups.get(account, {}).get(group_id)
        if group is None or group.shard != shard:
            return NOT_FOUND, events
        if change is GroupChange.LIMIT and limit_centi < 1:
            return LIMIT_TOO_SMALL, events
        events += self._execute(account, group, change, limit_centi)
        return self._exported(account, group), events

    def _execute(self, account: str, group: _Group, change: GroupChange, limit_centi: int) -> list[SimulationEvent]:
        match change:
            case GroupChange.LIMIT:
                group.limit_centi = limit_centi
                events = [self._changed(account, group, GroupEvent.LIMIT_UPDATED)]
                reached = group.is_used_up(self._lifecycle.now_us, above_limit=self.triggers_above_limit)
                return events + (self._trigger(account, group) if reached else [])
            case GroupChange.TRIGGER:
                return self._trigger(account, group)
            case GroupChange.RESET:
                group.reset()
                return [self._changed(account, group, GroupEvent.RESET)]
            case GroupChange.DELETE:
                del self._groups[account][group.group_id]
                deleted = self._changed(account, group, GroupEvent.DELETED)
                return [deleted, *self._cancel(account, group)]

    def trigger_reached(self) -> list[SimulationEvent]:
        """Add the fills since the last call to their groups, and trigger the groups that reach their limit."""
        events: list[SimulationEvent] = []
        for order, size_centi, at_us in self._accounts.take_group_fills():
            group = self._groups.get(order.account, {}).get(order.request.order_group_id or "")
            if group is None:  # deleted, and its orders with it
                continue
            group.add_fill(size_centi, at_us)
            if group.is_used_up(self._lifecycle.now_us, above_limit=self.triggers_above_limit):
                events += self._trigger(order.account, group)
        return events

    def of_account(self, account: str) -> list[ExchangeOrderGroup]:
        """List an account's groups; raises ``UnknownAccount``."""
        name = self._accounts.account(account).name
        return [self._exported(name, group) for group in self._groups.get(name, {}).values()]

    def _trigger(self, account: str, group: _Group) -> list[SimulationEvent]:
        """Trigger a group; no event where it is triggered already."""
        if group.is_triggered:
            return []
        group.is_triggered = True
        return [self._changed(account, group, GroupEvent.TRIGGERED), *self._cancel(account, group)]

    def _cancel(self, account: str, group: _Group) -> list[SimulationEvent]:
        events: list[SimulationEvent] = []
        for order in self._open_orders(account, group):
            events += self._engine.cancel(order, None, self._lifecycle.now_us)
        return events

    def _exported(self, account: str, group: _Group) -> ExchangeOrderGroup:
        orders = tuple(order.exchange_order_id for order in self._open_orders(account, group))
        return ExchangeOrderGroup(
            group_id=group.group_id, limit_centi=group.limit_centi, is_triggered=group.is_triggered, orders=orders,
            exchange_index=group.shard,
        )  # fmt: skip

    def _open_orders(self, account: str, group: _Group) -> list[LiveOrder]:
        return [
            order for order in self._accounts.open_orders(account) if order.request.order_group_id == group.group_id
        ]

    def _changed(self, account: str, group: _Group, kind: GroupEvent) -> SimulationEvent:
        now_us = self._lifecycle.now_us
        return GroupChanged(
            at_us=now_us, account=account, group_id=group.group_id, kind=kind, limit_centi=group.limit_centi
        )
