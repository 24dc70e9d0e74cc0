"""Decisions with their orders and fills, joined by their ids, in bounded memory.

Most decisions with targets lead to no order, since their targets are working already: these are dropped first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

import msgspec

from truebook.evidence.records import Step
from truebook.live.views import DecisionRow, DecisionState, Lifecycle, OrderLife, OwnFill
from truebook.messages.actions import Action
from truebook.messages.fills import FillRecorded, MarketSettled
from truebook.messages.observations import Observation
from truebook.messages.orders import OrderEvent, OrderOutcome

MAX_UNSENT: Final = 1_000
MAX_SENT: Final = 4_000
MAX_EVENTS: Final = 64
"""Per decision: events and fills beyond it are not kept."""
MAX_DETAIL: Final = 200
MAX_EARLY: Final = 500
"""Decisions and orders of which something was read before they were."""
KeptT = TypeVar("KeptT", OrderEvent, OwnFill)
_ENDS: Final = {
    OrderOutcome.REJECTED: DecisionState.NOT_ACCEPTED,
    OrderOutcome.CANCELLED: DecisionState.CANCELLED,
    OrderOutcome.UNKNOWN: DecisionState.UNKNOWN,
    OrderOutcome.ACKNOWLEDGED: DecisionState.WORKING,
    OrderOutcome.SENT: DecisionState.SENT,
}


class Life:
    """One decision and what became of it. ``changed`` is the number of the version with its last change."""

    __slots__ = ("action", "changed", "events", "fills", "observation", "sent", "settled")

    def __init__(self, action: Action, observation: Observation | None) -> None:
        self.action = action
        self.observation = observation
        self.events: list[OrderEvent] = []
        self.fills: list[OwnFill] = []
        self.sent: set[str] = set()
        """Client ids of the orders that were sent."""
        self.settled: MarketSettled | None = None
        self.changed = 0

    @property
    def state(self) -> DecisionState:
        """How far the decision has come: by its fills, else by the newest event of an order."""
        if self.fills:
            return DecisionState.FILLED if self.settled is None else DecisionState.SETTLED
        for event in reversed(self.events):
            if event.client_order_id in self.sent and event.outcome in _ENDS:
                return _ENDS[event.outcome]
            if event.client_order_id in self.sent and event.outcome is OrderOutcome.RESOLVED:
                return DecisionState.WORKING
        return DecisionState.NOT_SENT if self.events else DecisionState.DECIDED

    @property
    def tick_to_send_us(self) -> int | None:
        return next((event.tick_to_send_us for event in self.events if event.tick_to_send_us is not None), None)

    def row(self) -> DecisionRow:
        """Return its line in the table of decisions."""
        return DecisionRow(
            action_id=self.action.id, ticker=self.action.ticker, at_us=self.action.produced_us,
            model=self.action.model, targets=self.action.targets, state=self.state,
            reason=next((str(event.reason) for event in reversed(self.events) if event.reason is not None), None),
            orders=len(self.sent), filled_centi=sum(fill.size_centi for fill in self.fills),
            fee_micros=sum(fill.fee_micros for fill in self.fills), tick_to_send_us=self.tick_to_send_us,
        )  # fmt: skip

    def lifecycle(self) -> Lifecycle:
        """Return it in full, with the times between its steps."""
        action, seen, settled = self.action, self.observation, self.settled
        acknowledged_us = self._first_us(OrderOutcome.ACKNOWLEDGED)
        filled_us = min((fill.at_us for fill in self.fills), default=None)
        return Lifecycle(
            action_id=action.id, ticker=action.ticker, state=self.state, observation_id=action.observation_id,
            confirmed_us=action.confirmed_us, observed_us=None if seen is None else seen.produced_us,
            bid_cc=None if seen is None else seen.best_bid_cc, ask_cc=None if seen is None else seen.best_ask_cc,
            position_centi=None if seen is None else seen.position_centi, decided_us=action.produced_us,
            model=action.model, model_sha256=action.model_sha256, fair_ppm=action.fair_ppm, edge_cc=action.edge_cc,
            targets=action.targets, orders=tuple(self._orders()),
            settled_us=None if settled is None else settled.produced_us,
            settlement_cc=None if settled is None else settled.settlement_cc,
            observe_us=None if seen is None else _between(action.confirmed_us, seen.produced_us),
            decide_us=None if seen is None else _between(seen.produced_us, action.produced_us),
            tick_to_send_us=self.tick_to_send_us, acknowledge_us=_between(action.produced_us, acknowledged_us),
            fill_us=_between(action.produced_us, filled_us),
        )  # fmt: skip

    def _first_us(self, outcome: OrderOutcome) -> int | None:
        return next((event.produced_us for event in self.events if event.outcome is outcome), None)

    def _orders(self) -> Iterator[OrderLife]:
        """Yield the orders, and the targets that led to none, in the order of their first events."""
        by_order: dict[tuple[str, object], list[OrderEvent]] = {}
        for event in self.events:
            by_order.setdefault((event.client_order_id, event.book_side), []).append(event)
        for (client_order_id, _), events in by_order.items():
            first, fills = events[0], [each for each in self.fills if each.client_order_id == client_order_id]
            yield OrderLife(
                client_order_id=client_order_id,
                exchange_order_id=next((e.exchange_order_id for e in events if e.exchange_order_id), None),
                book_side=first.book_side, price_cc=first.price_cc, size_centi=first.size_centi,
                steps=tuple(_step(event) for event in events), fills=tuple(fills),
                tick_to_send_us=next((e.tick_to_send_us for e in events if e.tick_to_send_us is not None), None),
            )  # fmt: skip


class Decisions:
    """The newest decisions with targets, found by action and by order."""

    def __init__(self) -> None:
        self._unsent: dict[str, Life] = {}
        self._sent: dict[str, Life] = {}
        """In the order of their last change."""
        self._by_order: dict[str, Life] = {}
        self._early_events: dict[str, list[OrderEvent]] = {}
        """By action: topics have no common order, so an event may be read before its decision."""
        self._early_fills: dict[str, list[OwnFill]] = {}
        """By order."""

    def decided(self, action: Action, observation: Observation | None, version: int) -> None:
        """Keep a decision; a repeated one keeps what became of it."""
        if not action.targets or action.id in self._unsent or action.id in self._sent:
            return
        seen = observation if observation is not None and observation.id == action.observation_id else None
        self._unsent[action.id] = Life(action, seen)
        if len(self._unsent) > MAX_UNSENT:
            del self._unsent[next(iter(self._unsent))]
        for event in self._early_events.pop(action.id, ()):
            self.ordered(event, version)

    def ordered(self, event: OrderEvent, version: int) -> None:
        """Add an event to its decision, now or once that is known."""
        life = self.find(event.action_id)
        if life is None:
            _keep(self._early_events, event.action_id, event)
        elif len(life.events) < MAX_EVENTS:
            life.events.append(event)
            if event.outcome is OrderOutcome.SENT and event.client_order_id:
                life.sent.add(event.client_order_id)
                self._by_order[event.client_order_id] = life
                for fill in self._early_fills.pop(event.client_order_id, ()):
                    self.filled(msgspec.structs.replace(fill, action_id=life.action.id), version)
            self._touch(life, version)

    def of_order(self, client_order_id: str) -> Life | None:
        return self._by_order.get(client_order_id)

    def filled(self, fill: OwnFill, version: int) -> None:
        """Add a fill to the decision of its order, now or once that is known."""
        life = self._by_order.get(fill.client_order_id)
        if life is None:
            _keep(self._early_fills, fill.client_order_id, fill)
        elif len(life.fills) < MAX_EVENTS:
            life.fills.append(fill)
            self._touch(life, version)

    def settled(self, settled: MarketSettled, version: int) -> None:
        """Add the settlement to the market's decisions with fills."""
        for life in [each for each in self._sent.values() if each.action.ticker == settled.ticker]:
            if life.fills and life.settled is None:
                life.settled = settled
                self._touch(life, version)

    def find(self, action_id: str) -> Life | None:
        return self._sent.get(action_id) or self._unsent.get(action_id)

    def changed_since(self, version: int, limit: int) -> list[Life]:
        """Return the newest decisions with an order that changed after a version, oldest change first."""
        found: list[Life] = []
        for life in reversed(self._sent.values()):
            if life.changed <= version or len(found) == limit:
                break
            found.append(life)
        return found[::-1]

    def _touch(self, life: Life, version: int) -> None:
        if not life.sent:
            return
        action_id = life.action.id
        life.changed = version
        self._unsent.pop(action_id, None)
        self._sent.pop(action_id, None)
        self._sent[action_id] = life
        if len(self._sent) > MAX_SENT:
            dropped = self._sent.pop(next(iter(self._sent)))
            for order_id in dropped.sent:
                self._by_order.pop(order_id, None)


def _keep(early: dict[str, list[KeptT]], key: str, item: KeptT) -> None:
    """Keep an item for later, if it names what it belongs to; the oldest are dropped."""
    if key:
        early.setdefault(key, []).append(item)
        if len(early) > MAX_EARLY:
            del early[next(iter(early))]


def own_fill(fill: FillRecorded, action_id: str | None) -> OwnFill:
    """Return a fill as the page lists it, at the exchange's time."""
    return OwnFill(
        at_us=fill.produced_us if fill.exchange_us is None else fill.exchange_us, ticker=fill.ticker,
        trade_id=fill.trade_id, client_order_id=fill.client_order_id, exchange_order_id=fill.exchange_order_id,
        action_id=action_id, book_side=fill.book_side, price_cc=fill.price_cc, size_centi=fill.size_centi,
        fee_micros=fill.fee_micros, is_taker=fill.is_taker, basis=fill.basis,
    )  # fmt: skip


def _step(event: OrderEvent) -> Step:
    return Step(
        at_us=event.produced_us, outcome=event.outcome, reason=event.reason, detail=event.detail[:MAX_DETAIL],
        book_side=event.book_side, price_cc=event.price_cc, size_centi=event.size_centi,
    )  # fmt: skip


def _between(from_us: int | None, to_us: int | None) -> int | None:
    """Return the time from one to the other; None if one is unknown, or if two clocks put them the wrong way round."""
    return None if from_us is None or to_us is None or to_us < from_us else to_us - from_us
