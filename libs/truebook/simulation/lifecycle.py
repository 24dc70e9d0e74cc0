"""What happens by itself at the simulated exchange: openings, expiries, closes, payouts.

Things due at the same microsecond happen in the order in which they were scheduled. A close cancels all resting orders
at once; from then on every operation on an order of that market is refused.
"""

from __future__ import annotations

import heapq
from enum import StrEnum

import msgspec

from truebook.messages.facts import MarketFacts, MarketStatus
from truebook.money import ONE_DOLLAR_CC
from truebook.simulation.desk import Desk
from truebook.simulation.engine import Engine
from truebook.simulation.events import MarketChanged, SimulationEvent
from truebook.simulation.orders import LiveOrder, UpdateReason
from truebook.venue.lifecycle import may_become


class Due(StrEnum):
    """The kinds of things that happen by themselves."""

    OPEN = "open"
    EXPIRE = "expire"
    CLOSE = "close"
    PAY_OUT = "pay_out"


class LifeCycle:
    """The exchange's calendar."""

    def __init__(self, desk: Desk, engine: Engine, settlement_delay_us: int) -> None:
        self._desk = desk
        self._engine = engine
        self._delay_us = settlement_delay_us
        self._calendar: list[tuple[int, int, Due, str, str]] = []
        self._scheduled = 0

    def add(self, facts: MarketFacts, at_us: int) -> list[SimulationEvent]:
        """List a market, open if its time has come; raises ``ValueError`` where the ticker exists already."""
        status = MarketStatus.ACTIVE if facts.open_us <= at_us else MarketStatus.INITIALIZED
        record = self._desk.markets.add(msgspec.structs.replace(facts, status=status, settlement_cc=None))
        self._engine.add_market(facts.ticker)
        if status is MarketStatus.INITIALIZED:
            self._schedule(facts.open_us, Due.OPEN, facts.ticker)
        self._schedule(facts.close_us, Due.CLOSE, facts.ticker)
        return [MarketChanged(at_us=at_us, facts=record.facts, event_type="created")]

    def watch_expiry(self, order: LiveOrder) -> None:
        """Put a resting order's expiry, if it has one, on the calendar."""
        if order.is_resting and order.expires_us is not None:
            self._schedule(order.expires_us, Due.EXPIRE, order.account, order.exchange_order_id)

    def move_close(self, ticker: str, close_us: int, at_us: int) -> list[SimulationEvent]:
        """Move the close of a market that has not closed, to a time that is still to come."""
        record = self._desk.markets.get(ticker)
        if record is None or record.status not in (MarketStatus.INITIALIZED, MarketStatus.ACTIVE):
            return []
        record.replace_facts(msgspec.structs.replace(record.facts, close_us=max(close_us, at_us + 1)))
        self._schedule(record.facts.close_us, Due.CLOSE, ticker)
        return [MarketChanged(at_us=at_us, facts=record.facts, event_type="close_date_updated")]

    def follow(self, ticker: str, status: MarketStatus, at_us: int) -> list[SimulationEvent]:
        """Take a market along a life that is told and not computed: a pause, its end, a close; nothing is paid out."""
        record = self._desk.markets.get(ticker)
        if record is None:
            return []
        if status in (MarketStatus.CLOSED, MarketStatus.DETERMINED, MarketStatus.FINALIZED):
            return self._close(ticker, at_us)
        if status not in (MarketStatus.ACTIVE, MarketStatus.INACTIVE) or not may_become(record.status, status):
            return []
        record.become(status)
        word = "activated" if status is MarketStatus.ACTIVE else "deactivated"
        return [MarketChanged(at_us=at_us, facts=record.facts, event_type=word)]

    def determine(self, ticker: str, settlement_cc: int, at_us: int) -> list[SimulationEvent]:
        """State a market's outcome, once; a market that still takes orders is closed first.

        Raises ``ValueError`` for a value outside 0..10,000 or a market that is not known or has its outcome.
        """
        if not 0 <= settlement_cc <= ONE_DOLLAR_CC:
            raise ValueError(f"a YES contract can't be worth {settlement_cc} cc")
        record = self._desk.markets.get(ticker)
        if record is None or record.facts.settlement_cc is not None:
            raise ValueError(f"market {ticker} is not known or is determined already")
        events = self._close(ticker, at_us)
        record.become(MarketStatus.DETERMINED, settlement_cc)
        self._schedule(at_us + self._delay_us, Due.PAY_OUT, ticker)
        return [*events, MarketChanged(at_us=at_us, facts=record.facts, event_type="determined")]

    def next_due_us(self) -> int | None:
        return self._calendar[0][0] if self._calendar else None

    def advance(self, now_us: int) -> list[SimulationEvent]:
        """Carry out all that is due by now, each at its own time."""
        events: list[SimulationEvent] = []
        while self._calendar and self._calendar[0][0] <= now_us:
            due_us, _, kind, subject, order_id = heapq.heappop(self._calendar)
            events += self._carry_out(kind, subject, order_id, due_us)
        return events

    def _schedule(self, due_us: int, kind: Due, subject: str, order_id: str = "") -> None:
        self._scheduled += 1
        heapq.heappush(self._calendar, (due_us, self._scheduled, kind, subject, order_id))

    def _carry_out(self, kind: Due, subject: str, order_id: str, at_us: int) -> list[SimulationEvent]:
        if kind is Due.EXPIRE:
            order = self._desk.find(subject, order_id)
            # An expiry that was amended meanwhile has a later entry of its own, or none.
            if order is None or not order.is_resting or order.expires_us is None or order.expires_us > at_us:
                return []
            return self._engine.take_off(order, UpdateReason.EXPIRY_CANCEL, at_us)
        record = self._desk.markets.get(subject)
        if record is None:
            return []
        if kind is Due.OPEN:
            record.become(MarketStatus.ACTIVE)
            return []
        if kind is Due.CLOSE:
            # A close that was moved meanwhile has a later entry of its own.
            return self._close(subject, at_us) if record.facts.close_us <= at_us else []
        return self._pay_out(subject, at_us)

    def _close(self, ticker: str, at_us: int) -> list[SimulationEvent]:
        record = self._desk.markets[ticker]
        if record.status not in (MarketStatus.INITIALIZED, MarketStatus.ACTIVE, MarketStatus.INACTIVE):
            return []
        record.become(MarketStatus.CLOSED)
        events: list[SimulationEvent] = []
        for order in self._engine.orders_of(ticker):
            events += self._engine.take_off(order, UpdateReason.CLOSE_CANCEL, at_us)
        return events

    def _pay_out(self, ticker: str, at_us: int) -> list[SimulationEvent]:
        record = self._desk.markets[ticker]
        assert record.facts.settlement_cc is not None
        record.become(MarketStatus.FINALIZED)
        events: list[SimulationEvent] = [MarketChanged(at_us=at_us, facts=record.facts, event_type="settled")]
        events += self._desk.pay_out(ticker, record.facts.settlement_cc, at_us)
        for forgotten in self._desk.markets.ended(ticker):
            self._engine.forget_market(forgotten)
            self._desk.forget_market(forgotten)
        return events
