"""The simulated exchange's time and calendar: openings, order expiries, closes, payouts.

Time never steps back: a command with an earlier time is executed at the latest time seen. Every command first executes
what was due before it, and those events come first. Entries due in the same microsecond are executed in the order in
which they were scheduled. A close cancels all resting orders; afterwards every order operation is rejected.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import msgspec

from truebook.messages.market_metadata import BEFORE_CLOSE, MarketMetadata, MarketStatus, PriceRange
from truebook.money import ONE_DOLLAR_CC
from truebook.simulation.events import MarketChanged, SimulationEvent
from truebook.simulation.venue.account_book import AccountBook
from truebook.simulation.venue.engine import Engine
from truebook.simulation.venue.markets import MarketRecord
from truebook.simulation.venue.orders import LiveOrder, UpdateReason
from truebook.venue.lifecycle import may_become, may_reopen

MIN_PRUNED: Final = 10_000
"""Entries of the calendar from which on those without effect are dropped, each time it has doubled."""


class Due(StrEnum):
    """The kinds of calendar entries."""

    OPEN = "open"
    EXPIRE = "expire"
    CLOSE = "close"
    PAY_OUT = "pay_out"
    ARRIVE = "arrive"
    """A transfer between shards arrives."""
    ALLOCATE = "allocate"
    """An account's cash is brought to its target allocation."""


class MarketLifecycle:
    """Lists, closes and settles markets on one calendar."""

    def __init__(self, accounts: AccountBook, engine: Engine, settlement_delay_us: int) -> None:
        self.now_us = 0
        """The latest time seen."""
        self._accounts = accounts
        self._engine = engine
        self._delay_us = settlement_delay_us
        self._calendar: list[tuple[int, int, Due, str, str]] = []
        self._scheduled = 0
        self._pruned_at = MIN_PRUNED
        self._handlers: dict[Due, Callable[[str, str, int], list[SimulationEvent]]] = {}
        self._outcomes: dict[str, int] = {}
        """Values that markets are determined at when they close."""

    def next_due_us(self) -> int | None:
        return self._calendar[0][0] if self._calendar else None

    def advance(self, now_us: int) -> list[SimulationEvent]:
        """Execute all entries due by now, each at its own time."""
        self.now_us = max(self.now_us, now_us)
        events: list[SimulationEvent] = []
        while self._calendar and self._calendar[0][0] <= self.now_us:
            due_us, _, kind, subject, order_id = heapq.heappop(self._calendar)
            events += self._execute(kind, subject, order_id, due_us)
        return events

    def add_market(self, metadata: MarketMetadata, at_us: int) -> list[SimulationEvent]:
        """List a market, open if its opening time has passed; raises ``ValueError`` where the ticker exists."""
        events = self.advance(at_us)
        status = MarketStatus.ACTIVE if metadata.open_us <= self.now_us else MarketStatus.INITIALIZED
        shard = self._accounts.shards.plan.shard_of(metadata)
        record = self._accounts.markets.add(
            msgspec.structs.replace(metadata, status=status, settlement_cc=None, exchange_index=shard)
        )
        self._engine.add_market(metadata.ticker)
        if status is MarketStatus.INITIALIZED:
            self.schedule(metadata.open_us, Due.OPEN, metadata.ticker)
        self.schedule(metadata.close_us, Due.CLOSE, metadata.ticker)
        return [*events, MarketChanged(at_us=self.now_us, metadata=record.metadata, event_type="created")]

    def move_close(self, ticker: str, close_us: int, at_us: int) -> list[SimulationEvent]:
        """Move a market's close to a future time; no effect once it is determined, or if it is unknown.

        A closed market stays closed: ``follow_status`` may open it again until then.
        """
        events = self.advance(at_us)
        record = self._accounts.markets.get(ticker)
        if record is None or record.status not in (*BEFORE_CLOSE, MarketStatus.CLOSED):
            return events
        record.replace_metadata(msgspec.structs.replace(record.metadata, close_us=max(close_us, self.now_us + 1)))
        self.schedule(record.metadata.close_us, Due.CLOSE, ticker)
        return [*events, MarketChanged(at_us=self.now_us, metadata=record.metadata, event_type="close_date_updated")]

    def follow_status(self, ticker: str, status: MarketStatus, at_us: int) -> list[SimulationEvent]:
        """Apply a recorded status: a pause, its end, a close, or a close taken back. Pays nothing out."""
        events = self.advance(at_us)
        record = self._accounts.markets.get(ticker)
        if record is None:
            return events
        if status in (MarketStatus.CLOSED, MarketStatus.DETERMINED, MarketStatus.FINALIZED):
            return events + self._close(ticker, self.now_us)
        is_reopened = may_reopen(record.status, status) and record.metadata.close_us > self.now_us
        if status not in (MarketStatus.ACTIVE, MarketStatus.INACTIVE):
            return events
        if not may_become(record.status, status) and not is_reopened:
            return events
        record.become(status)
        event_type = "activated" if status is MarketStatus.ACTIVE else "deactivated"
        return [*events, MarketChanged(at_us=self.now_us, metadata=record.metadata, event_type=event_type)]

    def change_grid(self, ticker: str, ranges: tuple[PriceRange, ...], at_us: int) -> list[SimulationEvent]:
        """Change a market's price grid; resting orders stay. No effect if it is unknown or already has this grid."""
        events = self.advance(at_us)
        record = self._accounts.markets.get(ticker)
        if record is None or record.metadata.price_ranges == ranges:
            return events
        assumed = tuple(name for name in record.metadata.assumed if name != "price_ranges")
        record.replace_metadata(msgspec.structs.replace(record.metadata, price_ranges=ranges, assumed=assumed))
        changed = MarketChanged(
            at_us=self.now_us, metadata=record.metadata, event_type="price_level_structure_updated"
        )  # fmt: skip
        return [*events, changed]

    def change_fees(self, ticker: str, multiplier_ppm: int, at_us: int) -> list[SimulationEvent]:
        """Change a market's fee multiplier (millionths) for orders that trade from now on; no effect if it is unknown.

        The exchange announces a change of fees on no channel; clients read the series.
        """
        events = self.advance(at_us)
        record = self._accounts.markets.get(ticker)
        if record is not None:
            record.replace_fees(multiplier_ppm)
        return events

    def determine(self, ticker: str, settlement_cc: int, at_us: int) -> list[SimulationEvent]:
        """Set what a YES contract pays, once; closes the market if it is open, and pays out after the delay.

        Raises ``ValueError`` for a value outside 0..10,000 or a market that is unknown or already determined.
        """
        events = self.advance(at_us)
        if not 0 <= settlement_cc <= ONE_DOLLAR_CC:
            raise ValueError(f"settlement value {settlement_cc} cc is outside 0..{ONE_DOLLAR_CC}")
        record = self._accounts.markets.get(ticker)
        if record is None or record.metadata.settlement_cc is not None:
            raise ValueError(f"market {ticker} is unknown or already determined")
        events += self._close(ticker, self.now_us)
        return [*events, self._determine(record, settlement_cc, self.now_us)]

    def expect_outcome(self, ticker: str, settlement_cc: int) -> None:
        """Determine a market at this value when its close is due, unless it is determined by then."""
        self._outcomes[ticker] = settlement_cc

    def _determine(self, record: MarketRecord, settlement_cc: int, at_us: int) -> MarketChanged:
        self._outcomes.pop(record.metadata.ticker, None)
        record.become(MarketStatus.DETERMINED, settlement_cc)
        self.schedule(at_us + self._delay_us, Due.PAY_OUT, record.metadata.ticker)
        return MarketChanged(at_us=at_us, metadata=record.metadata, event_type="determined")

    def schedule_expiry(self, order: LiveOrder) -> None:
        """Put a resting order's expiry, if any, on the calendar."""
        if order.is_resting and order.expires_us is not None:
            self.schedule(order.expires_us, Due.EXPIRE, order.account, order.exchange_order_id)

    def on_due(self, kind: Due, execute: Callable[[str, str, int], list[SimulationEvent]]) -> None:
        """Let another part execute the entries of a kind: by subject, detail and time."""
        self._handlers[kind] = execute

    def schedule(self, due_us: int, kind: Due, subject: str, detail: str = "") -> None:
        """Put an entry on the calendar."""
        self._scheduled += 1
        heapq.heappush(self._calendar, (due_us, self._scheduled, kind, subject, detail))
        if len(self._calendar) > self._pruned_at:
            self._prune()

    def _prune(self) -> None:
        """Drop the expiries of orders that ended before: they have no effect, and may be due in years."""
        self._calendar = [
            entry
            for entry in self._calendar
            if entry[2] is not Due.EXPIRE or self._expiring(entry[3], entry[4], entry[0])
        ]
        heapq.heapify(self._calendar)
        self._pruned_at = max(MIN_PRUNED, 2 * len(self._calendar))

    def _expiring(self, account: str, order_id: str, at_us: int) -> LiveOrder | None:
        """Return the order that expires at a time; an amended expiry has a later entry of its own, or none."""
        order = self._accounts.find(account, order_id)
        if order is None or not order.is_resting or order.expires_us is None or order.expires_us > at_us:
            return None
        return order

    def _execute(self, kind: Due, subject: str, order_id: str, at_us: int) -> list[SimulationEvent]:
        handler = self._handlers.get(kind)
        if handler is not None:
            return handler(subject, order_id, at_us)
        if kind is Due.EXPIRE:
            order = self._expiring(subject, order_id, at_us)
            if order is None:
                return []
            return self._engine.cancel(order, UpdateReason.EXPIRY_CANCEL, at_us)
        record = self._accounts.markets.get(subject)
        if record is None:
            return []
        if kind is Due.OPEN:
            record.become(MarketStatus.ACTIVE)
            return []
        if kind is Due.CLOSE:
            if record.metadata.close_us > at_us:
                return []  # a moved close has a later entry of its own
            events = self._close(subject, at_us)
            if record.status is MarketStatus.CLOSED and subject in self._outcomes:
                events.append(self._determine(record, self._outcomes[subject], at_us))
            return events
        return self._pay_out(subject, at_us)

    def _close(self, ticker: str, at_us: int) -> list[SimulationEvent]:
        record = self._accounts.markets[ticker]
        if record.status not in BEFORE_CLOSE:
            return []
        record.become(MarketStatus.CLOSED)
        events: list[SimulationEvent] = []
        for order in self._engine.resting_orders(ticker):
            events += self._engine.cancel(order, UpdateReason.CLOSE_CANCEL, at_us)
        return events

    def _pay_out(self, ticker: str, at_us: int) -> list[SimulationEvent]:
        record = self._accounts.markets[ticker]
        assert record.metadata.settlement_cc is not None
        record.become(MarketStatus.FINALIZED)
        events: list[SimulationEvent] = [MarketChanged(at_us=at_us, metadata=record.metadata, event_type="settled")]
        events += self._accounts.pay_out(ticker, record.metadata.settlement_cc, at_us)
        for dropped in self._accounts.markets.finalize(ticker):
            self._engine.drop_market(dropped)
            self._accounts.drop_market(dropped)
        return events
