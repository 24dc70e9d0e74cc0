"""What an account's lists show: by default the engine's present state, with a lag or a fault an earlier one.

Each change is shown from a time of its own on. Until then the lists have the order, or the position, as it was before.
Single reads (``GET /portfolio/orders/{order_id}``) and the balance are never behind.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from truebook.simulation.events import Filled, MarketChanged, OrderChanged, SimulationEvent
from truebook.simulation.venue.accounts import Position
from truebook.simulation.venue.queries import VenueQueries
from truebook.venue.account import ExchangeFill, ExchangeOrder, OrderStatus

_OF_LISTS: Final = (Filled, OrderChanged)


def fill_key(fill: ExchangeFill) -> str:
    """Return the identity of a fill: one trade may fill two orders of one account."""
    return f"{fill.trade_id}/{fill.exchange_order_id}"


class ListedState:
    """Follows an exchange's events; ``lag_us`` draws the lag of the change with a number."""

    def __init__(self, lag_us: Callable[[int], int]) -> None:
        self._lag_us = lag_us
        self._number = 0
        self._last_us = 0
        self._pruned_us = 0
        self._known: dict[tuple[str, str], ExchangeOrder] = {}
        """The newest state of each resting order."""
        self._orders: deque[tuple[int, str, str, ExchangeOrder | None, int]] = deque()
        """Changes that may not be shown yet: from when, account, order, the state before, and time of the change."""
        self._fills: deque[tuple[int, str, int]] = deque()
        self._positions: dict[tuple[str, str], deque[tuple[int, Position]]] = {}

    def open(self, queries: VenueQueries, accounts: Iterable[str]) -> None:
        """Take over the state of an exchange that was continued."""
        for account in accounts:
            for order in queries.orders(account, status=OrderStatus.RESTING):
                self._known[account, order.exchange_order_id] = order
            for ticker in queries.traded_tickers(account):
                held = queries.position(account, ticker)
                if held is not None:
                    self._positions[account, ticker] = deque([(0, copy.copy(held))])

    def record(
        self, events: Sequence[SimulationEvent], queries: VenueQueries, now_us: int, cancelled_lag_us: Callable[[], int]
    ) -> None:
        """Take the events of a tick, after which ``queries`` shows the state of the engine.

        ``cancelled_lag_us`` returns how long the next cancelled order is still listed at least.
        """
        traded: dict[tuple[str, str], None] = {}
        settled: set[str] = set()
        shown_us = None
        for event in events:
            if isinstance(event, MarketChanged) and event.event_type == "settled":
                settled.add(event.metadata.ticker)  # flat positions too, which no settlement names
            if not isinstance(event, _OF_LISTS):
                continue
            if shown_us is None:
                self._number += 1
                shown_us = self._last_us = max(self._last_us, now_us + self._lag_us(self._number))
            if isinstance(event, Filled):
                self._fills.append((shown_us, fill_key(event.fill), event.at_us))
                traded[event.account, event.fill.ticker] = None
            else:
                if event.order.status is OrderStatus.CANCELED:
                    self._record_order(event, max(shown_us, now_us + cancelled_lag_us()))
                else:
                    self._record_order(event, shown_us)
        if settled:
            self._positions = {key: kept for key, kept in self._positions.items() if key[1] not in settled}
        for account, ticker in traded:
            if ticker in settled:
                continue
            held = queries.position(account, ticker)
            if held is not None and shown_us is not None:
                history = self._positions.setdefault((account, ticker), deque())
                history.append((shown_us, copy.copy(held)))
                while len(history) > 1 and history[1][0] <= self._pruned_us:
                    history.popleft()

    def _record_order(self, event: OrderChanged, shown_us: int) -> None:
        order, key = event.order, (event.account, event.order.exchange_order_id)
        before = self._known.get(key)
        self._orders.append((shown_us, *key, before, event.at_us))
        if order.status is OrderStatus.RESTING:
            self._known[key] = order
        else:
            self._known.pop(key, None)

    def prune(self, until_us: int) -> None:
        """Remove what is shown at ``until_us``, which is not read at an earlier time again."""
        self._pruned_us = until_us
        if self._orders and self._orders[0][0] <= until_us:
            self._orders = deque(entry for entry in self._orders if entry[0] > until_us)
        while self._fills and self._fills[0][0] <= until_us:
            self._fills.popleft()

    def orders(
        self, account: str, listed: Sequence[ExchangeOrder], until_us: int, status: OrderStatus | None
    ) -> Sequence[ExchangeOrder]:
        """Return the orders as shown at a time; ``listed`` are the present ones of ``status``, newest first."""
        before: dict[str, ExchangeOrder | None] = {}
        for shown_us, owner, order_id, earlier, _ in self._orders:
            if owner == account and shown_us > until_us:
                before.setdefault(order_id, earlier)
        if not before:
            return listed
        shown = [one for one in listed if one.exchange_order_id not in before]
        shown += [one for one in before.values() if one is not None and status in (None, one.status)]
        # Stable: orders of one time keep the engine's order.
        return sorted(shown, key=lambda one: one.created_us or 0, reverse=True)

    def hidden_fills(self, until_us: int) -> frozenset[str]:
        """Return the keys of the fills that are not shown at a time."""
        return frozenset(key for shown_us, key, _ in self._fills if shown_us > until_us)

    def position(self, account: str, ticker: str, now: Position | None, until_us: int) -> Position | None:
        """Return a position as it is shown at a time; ``now`` is the present one."""
        history = self._positions.get((account, ticker))
        if history is None or history[-1][0] <= until_us:
            return now
        return next((held for shown_us, held in reversed(history) if shown_us <= until_us), None)

    def oldest_hidden_us(self, until_us: int) -> int | None:
        """Return the time of the oldest change that is not shown at a time; None if all are."""
        hidden = [at_us for shown_us, *_, at_us in self._orders if shown_us > until_us]
        hidden += [at_us for shown_us, _, at_us in self._fills if shown_us > until_us]
        return min(hidden, default=None)
