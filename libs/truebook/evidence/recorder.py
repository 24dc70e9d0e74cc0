"""Takes the messages of the bus as they pass and keeps evidence of them, within fixed bounds.

It is fed by an observer that has decoded the messages for its own use already; what it adds to each is a few
look-ups. It never asks anyone anything, and a message that it does not know of costs nothing.
"""

from __future__ import annotations

from typing import Final

from truebook.evidence.funnel import (
    ACKNOWLEDGED,
    DECIDED,
    FILLED,
    FRESH,
    HELD,
    KEPT,
    NOT_ACCEPTED,
    NOT_DECIDED,
    NOT_OBSERVED,
    OBSERVED,
    REFUSED,
    SENT,
    STALE,
    WANTED,
    Counts,
    funnel_of,
)
from truebook.evidence.records import DecisionRecord, Funnel, MarketRecord, Snapshot, Step
from truebook.messages.actions import Action
from truebook.messages.envelope import Message
from truebook.messages.fills import FillBooked
from truebook.messages.markets import Market
from truebook.messages.observations import Observation
from truebook.messages.orderbook import BookMessage
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.reasons import Reason

MOST_MARKETS: Final = 2_000
MOST_DECISIONS: Final = 10
"""Kept per market."""
MOST_STEPS: Final = 16
"""Kept per decision."""
MOST_DETAIL: Final = 200
MOST_ORDERS: Final = 10_000
"""Sent orders whose fills still find their decision."""
SAVED_MARKETS: Final = 300
BOOKED: Final = ("applied", "parked")


class Recorder:
    """The evidence of one run."""

    def __init__(self) -> None:
        self._counts = Counts()
        self._markets: dict[str, MarketRecord] = {}
        self._by_action: dict[str, DecisionRecord] = {}
        self._by_order: dict[str, DecisionRecord] = {}
        self._observations: dict[str, Observation] = {}
        self._totals: dict[tuple[str, str], int] = {}
        self.now_us = 0
        """The newest time seen."""

    def saw_book(self, news: BookMessage, stale: Reason | None) -> None:
        """Count one change of a book; ``stale`` is what its reader thinks of it now."""
        market = self._market(news.ticker)
        market.seen += 1
        market.stale = stale
        if stale is None:
            self._counts.add(news.produced_us, FRESH)
        else:
            self._counts.add(news.produced_us, STALE, stale)

    def take(self, message: Message) -> None:
        """Keep what a message other than a book's says."""
        if message.produced_us > self.now_us:
            self.now_us = message.produced_us
        match message:
            case Observation():
                self._counts.add(message.produced_us, OBSERVED)
                self._market(message.ticker).observed_us = message.produced_us
                self._observations[message.ticker] = message
            case Action():
                self._take_action(message)
            case OrderEvent():
                self._take_order(message)
            case FillBooked():
                self._take_fill(message)
            case Market():
                market = self._market(message.ticker)
                market.chosen, market.status = message.chosen, str(message.facts.status)
            case _:
                pass

    def not_observed(self, totals: dict[str, int], at_us: int) -> None:
        """Take the running totals of what was refused before an observation was made, by reason."""
        self._take_totals(NOT_OBSERVED, totals, at_us)

    def not_decided(self, totals: dict[str, int], at_us: int) -> None:
        """Take the running totals of observations that the policy has dropped, by reason."""
        self._take_totals(NOT_DECIDED, totals, at_us)

    def funnel(self, now_us: int) -> Funnel:
        """The funnel of the hour before ``now_us``."""
        return funnel_of(self._counts, now_us)

    def market(self, ticker: str) -> MarketRecord | None:
        return self._markets.get(ticker)

    def snapshot(self, now_us: int) -> Snapshot:
        """All of it, for a file: of the markets those that were observed last."""
        newest = sorted(self._markets.values(), key=lambda market: market.observed_us, reverse=True)
        return Snapshot(at_us=now_us, funnel=self.funnel(now_us), markets=tuple(newest[:SAVED_MARKETS]))

    def _take_action(self, action: Action) -> None:
        counts, at_us = self._counts, action.produced_us
        counts.add(at_us, DECIDED)
        if action.targets:
            counts.add(at_us, WANTED, amount=len(action.targets))
        else:
            counts.add(at_us, HELD, str(action.reason or Reason.HOLD_ACTION))
        record = DecisionRecord(
            at_us=at_us, action_id=action.id, model=action.model, targets=action.targets, reason=action.reason
        )  # fmt: skip
        seen = self._observations.get(action.ticker)
        if seen is not None and seen.id == action.observation_id:
            record.bid_cc, record.ask_cc = seen.best_bid_cc, seen.best_ask_cc
            record.position_centi = seen.position_centi
        decisions = self._market(action.ticker).decisions
        decisions.append(record)
        if action.targets:
            self._by_action[action.id] = record
        if len(decisions) > MOST_DECISIONS:
            self._by_action.pop(decisions.pop(0).action_id, None)

    def _take_order(self, event: OrderEvent) -> None:
        at_us, reason = event.produced_us, str(event.reason or "")
        match event.outcome:
            case OrderOutcome.REFUSED:
                self._counts.add(at_us, REFUSED, reason)
            case OrderOutcome.KEPT:
                self._counts.add(at_us, KEPT, reason or "exists")
            case OrderOutcome.SENT:
                self._counts.add(at_us, SENT)
            case OrderOutcome.ACKNOWLEDGED:
                self._counts.add(at_us, ACKNOWLEDGED)
            case OrderOutcome.REJECTED | OrderOutcome.UNKNOWN:
                self._counts.add(at_us, NOT_ACCEPTED, str(event.outcome))
            case _:
                pass
        record = self._by_action.get(event.action_id)
        if record is None:
            return
        if event.outcome is OrderOutcome.SENT:
            self._by_order[event.client_order_id] = record
            if len(self._by_order) > MOST_ORDERS:
                del self._by_order[next(iter(self._by_order))]
        self._note(record, Step(
            at_us=at_us, outcome=str(event.outcome), reason=event.reason, detail=event.detail[:MOST_DETAIL],
            book_side=event.book_side, price_cc=event.price_cc, size_centi=event.size_centi,
        ))  # fmt: skip

    def _take_fill(self, fill: FillBooked) -> None:
        if fill.answer not in BOOKED:
            return
        self._counts.add(fill.produced_us, FILLED)
        record = self._by_order.get(fill.client_order_id)
        if record is not None:
            self._note(record, Step(
                at_us=fill.produced_us, outcome="filled", detail=fill.basis or "", book_side=fill.book_side,
                price_cc=fill.price_cc, size_centi=fill.size_centi,
            ))  # fmt: skip

    @staticmethod
    def _note(record: DecisionRecord, step: Step) -> None:
        if len(record.steps) < MOST_STEPS:
            record.steps.append(step)
        else:
            record.more_steps += 1

    def _market(self, ticker: str) -> MarketRecord:
        market = self._markets.get(ticker)
        if market is None:
            market = self._markets[ticker] = MarketRecord(ticker=ticker)
            if len(self._markets) > MOST_MARKETS:
                self._forget()
        return market

    def _forget(self) -> None:
        """Drop the market that was known for longest among those that are not traded any more, if there are any."""
        oldest = next((each for each in self._markets.values() if not each.chosen), None)
        forgotten = self._markets.pop((oldest or next(iter(self._markets.values()))).ticker)
        self._observations.pop(forgotten.ticker, None)
        for decision in forgotten.decisions:
            self._by_action.pop(decision.action_id, None)

    def _take_totals(self, what: str, totals: dict[str, int], at_us: int) -> None:
        """A total below the last one comes from a service that began anew."""
        for reason, total in totals.items():
            before = self._totals.get((what, reason), 0)
            more = total - before if total >= before else total
            if more:
                self._counts.add(at_us, what, reason, more)
            self._totals[what, reason] = total
