"""Records evidence from messages that an observer has already decoded, within fixed bounds.

It reads no source of its own, costs a few look-ups per message, and ignores messages of unknown types.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from cachetools import FIFOCache

from truebook.evidence.funnel import Counts, Event, funnel_of
from truebook.evidence.records import DecisionRecord, Funnel, MarketRecord, Snapshot, Step
from truebook.messages.actions import Action
from truebook.messages.envelope import Message
from truebook.messages.fills import FillRecorded
from truebook.messages.markets import MarketUpdated
from truebook.messages.observations import Observation
from truebook.messages.orderbook import BookMessage
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.reasons import Reason
from truebook.messages.refusals import DecisionsCounted, RefusalsCounted

MAX_MARKETS: Final = 2_000
MAX_DECISIONS: Final = 10
"""Per market."""
MAX_STEPS: Final = 16
"""Per decision."""
MAX_DETAIL: Final = 200
MAX_ORDERS: Final = 10_000
"""Sent orders whose fills are still matched to their decision."""
SAVED_MARKETS: Final = 300
REFUSED_BY: Final = {"observation": Event.NOT_OBSERVED, "policy": Event.NOT_DECIDED}


class Recorder:
    """The evidence of one run. Decisions before ``from_us`` are recorded, but not counted in the funnel."""

    def __init__(self, from_us: int = 0) -> None:
        self._counts = Counts(from_us)
        self._markets: dict[str, MarketRecord] = {}
        self._by_action: dict[str, DecisionRecord] = {}
        self._by_order: FIFOCache[str, DecisionRecord] = FIFOCache(MAX_ORDERS)
        self._observations: dict[str, Observation] = {}
        self.order_counts: Callable[[], Counts | None] | None = None
        """Returns what became of orders by a source that loses nothing, or None where that is incomplete; without it,
        the messages are counted."""

    def record_book(self, update: BookMessage, stale: Reason | None) -> None:
        """Count one change of a book; ``stale`` is why its reader must not use it now."""
        market = self._market(update.ticker)
        market.book_updates += 1
        market.stale = stale
        if stale is None:
            self._counts.add(update.produced_us, Event.FRESH)
        else:
            self._counts.add(update.produced_us, Event.STALE, stale)

    def record(self, message: Message) -> None:
        """Record a message other than a book's."""
        match message:
            case Observation():
                self._counts.add(message.produced_us, Event.OBSERVED)
                self._market(message.ticker).observed_us = message.produced_us
                self._observations[message.ticker] = message
            case RefusalsCounted():
                self._record_refusals(message)
            case DecisionsCounted():
                self._record_counted(message)
            case Action():
                self._record_action(message)
            case OrderEvent():
                self._record_order(message)
            case FillRecorded():
                self._record_fill(message)
            case MarketUpdated():
                market = self._market(message.ticker)
                market.selected, market.status = message.selected, str(message.metadata.status)
                market.exclusion = message.exclusion
            case _:
                pass

    def funnel(self, now_us: int) -> Funnel:
        """Return the funnel of the hour before ``now_us``."""
        orders = None if self.order_counts is None else self.order_counts()
        return funnel_of(self._counts, now_us, self._exclusions_of_all(), orders)

    @property
    def excludes_all(self) -> bool:
        """Whether markets are known and every one of them is excluded for a reason."""
        return bool(self._exclusions_of_all())

    def _exclusions_of_all(self) -> Counter[str]:
        """Count the markets by exclusion; empty if any is selected or has no known exclusion."""
        markets = [market for market in self._markets.values() if market.status]
        if any(market.selected or market.exclusion is None for market in markets):
            return Counter()
        return Counter(str(market.exclusion) for market in markets)

    def market(self, ticker: str) -> MarketRecord | None:
        return self._markets.get(ticker)

    def snapshot(self, now_us: int) -> Snapshot:
        """Return the evidence for a file: the funnel, and the markets that were observed last."""
        newest = sorted(self._markets.values(), key=lambda market: market.observed_us, reverse=True)
        return Snapshot(at_us=now_us, funnel=self.funnel(now_us), markets=tuple(newest[:SAVED_MARKETS]))

    def _record_refusals(self, refusals: RefusalsCounted) -> None:
        event = REFUSED_BY.get(refusals.service)
        if event is None:
            return
        totals = self._market(refusals.ticker).refused
        for reason, count in refusals.counts.items():
            self._counts.add(refusals.produced_us, event, reason, count)
            totals[reason] = totals.get(reason, 0) + count

    def _record_counted(self, counted: DecisionsCounted) -> None:
        market, at_us = self._market(counted.ticker), counted.until_us
        for reason, count in counted.counts.items():
            self._counts.add(at_us, Event.DECIDED, amount=count)
            self._counts.add(at_us, Event.NO_TARGETS, reason, count)
            market.counted[reason] = market.counted.get(reason, 0) + count
        if at_us >= market.counted_us:
            market.counted_us, market.counted_reason = at_us, counted.reason

    def _record_action(self, action: Action) -> None:
        counts, at_us = self._counts, action.produced_us
        counts.add(at_us, Event.DECIDED)
        if action.targets:
            counts.add(at_us, Event.TARGET, amount=len(action.targets))
        else:
            counts.add(at_us, Event.NO_TARGETS, action.reason or Reason.NO_ACTION)
        record = DecisionRecord(
            at_us=at_us, action_id=action.id, model=action.model, targets=action.targets, reason=action.reason
        )  # fmt: skip
        observation = self._observations.get(action.ticker)
        if observation is not None and observation.id == action.observation_id:
            record.bid_cc, record.ask_cc = observation.best_bid_cc, observation.best_ask_cc
            record.position_centi = observation.position_centi
        decisions = self._market(action.ticker).decisions
        decisions.append(record)
        if action.targets:
            self._by_action[action.id] = record
        if len(decisions) > MAX_DECISIONS:
            self._by_action.pop(decisions.pop(0).action_id, None)

    def _record_order(self, event: OrderEvent) -> None:
        at_us, reason = event.produced_us, event.reason or ""
        match event.outcome:
            case OrderOutcome.REFUSED:
                self._counts.add(at_us, Event.REFUSED, reason)
            case OrderOutcome.KEPT:
                self._counts.add(at_us, Event.KEPT, reason or "exists")
            case OrderOutcome.SENT:
                self._counts.add(at_us, Event.SENT)
            case OrderOutcome.ACKNOWLEDGED:
                self._counts.add(at_us, Event.ACKNOWLEDGED)
            case OrderOutcome.REJECTED | OrderOutcome.UNKNOWN:
                self._counts.add(at_us, Event.NOT_ACCEPTED, event.outcome)
            case _:
                pass
        record = self._by_action.get(event.action_id)
        if record is None:
            return
        if event.outcome is OrderOutcome.SENT:
            self._by_order[event.client_order_id] = record
        self._add_step(record, Step(
            at_us=at_us, outcome=event.outcome, reason=event.reason, detail=event.detail[:MAX_DETAIL],
            book_side=event.book_side, price_cc=event.price_cc, size_centi=event.size_centi,
        ))  # fmt: skip

    def _record_fill(self, fill: FillRecorded) -> None:
        if not fill.outcome.is_new:
            return
        self._counts.add(fill.produced_us, Event.FILLED)
        record = self._by_order.get(fill.client_order_id)
        if record is not None:
            self._add_step(record, Step(
                at_us=fill.produced_us, outcome="filled", detail=fill.basis or "", book_side=fill.book_side,
                price_cc=fill.price_cc, size_centi=fill.size_centi,
            ))  # fmt: skip

    @staticmethod
    def _add_step(record: DecisionRecord, step: Step) -> None:
        if len(record.steps) < MAX_STEPS:
            record.steps.append(step)
        else:
            record.more_steps += 1

    def _market(self, ticker: str) -> MarketRecord:
        market = self._markets.get(ticker)
        if market is None:
            market = self._markets[ticker] = MarketRecord(ticker=ticker)
            if len(self._markets) > MAX_MARKETS:
                self._drop_oldest()
        return market

    def _drop_oldest(self) -> None:
        """Drop the oldest market that is not selected; the oldest of all where every one is."""
        oldest = next((each for each in self._markets.values() if not each.selected), None)
        dropped = self._markets.pop((oldest or next(iter(self._markets.values()))).ticker)
        self._observations.pop(dropped.ticker, None)
        for decision in dropped.decisions:
            self._by_action.pop(decision.action_id, None)
