"""Capture mode: recorded market events, applied to a simulated exchange with its usual accounts, orders and fees.

The caller applies the recorded events in their order and publishes them itself. Returned are the events of accounts
and ``MarketChanged``: for a market seen for the first time, a finer price grid, and recorded pauses, moved closes and
ends. A market is settled when its recorded outcome is known: by a life-cycle event, or at its close by its metadata. A
market that ends without a recorded outcome is only closed: its positions stay open, and their value is unknown.

Latency: an order or cancel is executed at the time it is given, which is its time of *arrival*. The caller delays it
(``simulation.latency``) and applies all recorded events up to then first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import LINEAR_CENT, MarketMetadata, MarketStatus, PriceRange
from truebook.simulation.events import MarketChanged, SimulationEvent, Traded
from truebook.simulation.recorded.book import RecordedBook
from truebook.simulation.recorded.engine import RecordedEngine
from truebook.simulation.recorded.queue import QueueModel
from truebook.simulation.venue.account_book import AccountBook
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook.simulation.venue.shard_plan import ShardPlan
from truebook.venue.assumed_market import assumed_metadata
from truebook.venue.grid import on_grid

FAR_FUTURE_US: Final = 10 * 365 * 24 * 3_600 * 1_000_000


class MarketReplay:
    """Applies recorded market events to an exchange. ``at_us`` is the recording's time, which never steps back.

    ``metadata`` is the recorded metadata of markets; that of other markets is assumed. ``max_kept`` limits what an
    account keeps of ended work, see ``AccountBook``. ``plan`` assigns series to exchange shards.
    """

    def __init__(
        self, seed: int = 0, metadata: Iterable[MarketMetadata] = (), *, queue: QueueModel = QueueModel.PESSIMISTIC,
        max_kept: int | None = None, plan: ShardPlan | None = None,
    ) -> None:  # fmt: skip
        markets = tuple(metadata)
        accounts = AccountBook(seed, max_kept=max_kept, plan=plan)
        self._engine = RecordedEngine(accounts, queue)
        self.exchange = SimulatedExchange(accounts, self._engine, settlement_delay_us=0)
        self._markets = accounts.markets
        self._begun = False
        self._recorded = {one.ticker: one for one in markets}
        self._outcomes = {one.ticker: one.settlement_cc for one in markets if one.settlement_cc is not None}
        """Recorded values of markets that are not settled yet."""
        self._outcome_due_us = 0
        self._exact: set[str] = set()
        """Listed markets whose grid is not assumed."""

    def add_market(self, metadata: MarketMetadata, at_us: int) -> list[SimulationEvent]:
        """List a market that was not known at the start; no effect if it is listed."""
        events = self.exchange.advance(at_us)
        self._recorded.setdefault(metadata.ticker, metadata)
        return events + self._list(metadata.ticker)

    def begin(self, at_us: int) -> list[SimulationEvent]:
        """List the markets with recorded metadata; the first event does so as well."""
        events = self.exchange.advance(at_us)
        if not self._begun:
            self._begun = True
            for ticker in self._recorded:
                events += self._list(ticker)
        if self._outcomes and at_us >= self._outcome_due_us:
            events += self._settle_closed(at_us)
        return events

    def snapshot(
        self, ticker: str, bids: tuple[tuple[int, int], ...], asks: tuple[tuple[int, int], ...], at_us: int
    ) -> list[SimulationEvent]:
        """Apply a recorded snapshot of (price_cc, size_centi) levels."""
        events, now_us = self._prepare(ticker, [price_cc for price_cc, _ in (*bids, *asks)], at_us)
        events += self._engine.snapshot(ticker, bids, asks, now_us)
        return events + self.exchange.groups.trigger_reached()

    def delta(
        self,
        ticker: str,
        side: BookSide,
        price_cc: int,
        delta_centi: int,
        at_us: int,
        *,
        exchange_us: int | None = None,
    ) -> list[SimulationEvent]:
        """Apply a recorded change of one level; ``exchange_us`` is the exchange's time of it, if known."""
        if ticker in self._exact and not self._is_due(at_us):
            now_us = self.exchange.lifecycle.now_us
            events = self._engine.delta(ticker, side, price_cc, delta_centi, now_us, exchange_us=exchange_us)
            return events + self.exchange.groups.trigger_reached() if events else events
        events, now_us = self._prepare(ticker, (price_cc,), at_us)
        events += self._engine.delta(ticker, side, price_cc, delta_centi, now_us, exchange_us=exchange_us)
        return events + self.exchange.groups.trigger_reached()

    def undisturbed_book(self, ticker: str) -> RecordedBook | None:
        """Return the book of a listed market if its changes have no effect but on itself, unless they fill our orders.

        None where it is not valid, or its grid is assumed.
        """
        recorded = self._engine.recorded_book(ticker) if ticker in self._exact else None
        return recorded if recorded is not None and recorded.is_valid else None

    def pass_time(self, at_us: int) -> None:
        """Set the time, before which nothing was due."""
        self.exchange.lifecycle.now_us = max(self.exchange.lifecycle.now_us, at_us)

    def outcome_due_us(self) -> int:
        """Return the time from which on a recorded outcome may be due."""
        return self._outcome_due_us if self._outcomes else FAR_FUTURE_US * 1_000

    def trade(self, trade: Traded, *, exchange_us: int | None = None) -> list[SimulationEvent]:
        """Apply a recorded public trade, by the exchange's time at ``exchange_us``; a block trade fills nothing."""
        events, now_us = self._prepare(trade.ticker, (trade.price_cc,), trade.at_us)
        self._markets.record_trade(trade if trade.at_us == now_us else msgspec.structs.replace(trade, at_us=now_us))
        if not trade.block:
            events += self._engine.trade(
                trade.ticker, trade.price_cc, trade.size_centi, trade.taker_side, now_us, exchange_us=exchange_us
            )
        return events + self.exchange.groups.trigger_reached()

    def follow(
        self, ticker: str, *, close_us: int | None, price_ranges: tuple[PriceRange, ...] | None,
        status: MarketStatus | None, settlement_cc: int | None, at_us: int,
    ) -> list[SimulationEvent]:  # fmt: skip
        """Apply a recorded life-cycle event: a moved close, a new grid, a pause, its end, a close, or an outcome."""
        events, lifecycle = self.begin(at_us), self.exchange.lifecycle
        if close_us is not None:
            events += lifecycle.move_close(ticker, close_us, at_us)
            self._outcome_due_us = 0
        if price_ranges is not None:
            events += lifecycle.change_grid(ticker, price_ranges, at_us)
        if status is not None:
            events += lifecycle.follow_status(ticker, status, at_us)
        if settlement_cc is not None:
            events += self._settle(ticker, settlement_cc, at_us)
        return events + self.exchange.groups.trigger_reached()

    def has_outcome(self, ticker: str) -> bool:
        """Return whether the recorded outcome of a market is known so far; True for a market without any event."""
        record = self._markets.get(ticker)
        return record is None or record.metadata.settlement_cc is not None or ticker in self._outcomes

    def _is_due(self, at_us: int) -> bool:
        """Advance the time, unless anything is due by then: return whether it is."""
        lifecycle = self.exchange.lifecycle
        due_us = lifecycle.next_due_us()
        if (due_us is not None and due_us <= at_us) or (self._outcomes and at_us >= self._outcome_due_us):
            return True
        if at_us > lifecycle.now_us:
            lifecycle.now_us = at_us
        return False

    def _settle_closed(self, at_us: int) -> list[SimulationEvent]:
        """Settle the closed markets by their recorded metadata, and note when the next one closes."""
        open_us = [FAR_FUTURE_US + at_us]
        events: list[SimulationEvent] = []
        for ticker, settlement_cc in list(self._outcomes.items()):
            record = self._markets.get(ticker)
            if record is not None and record.metadata.settlement_cc is not None:
                del self._outcomes[ticker]  # the exchange determined it at its close
            elif record is not None and record.status is MarketStatus.CLOSED:
                events += self._settle(ticker, settlement_cc, at_us)
            elif record is not None:
                open_us.append(record.metadata.close_us)
        self._outcome_due_us = min(open_us)
        return events

    def _settle(self, ticker: str, settlement_cc: int, at_us: int) -> list[SimulationEvent]:
        """Determine a market and pay out; no effect if it is unknown or already determined."""
        self._outcomes.pop(ticker, None)
        record = self._markets.get(ticker)
        if record is None or record.metadata.settlement_cc is not None:
            return []
        lifecycle = self.exchange.lifecycle
        return [*lifecycle.determine(ticker, settlement_cc, at_us), *lifecycle.advance(at_us)]

    def is_valid(self, ticker: str) -> bool:
        """Return whether the recorded book is valid: not before its snapshot, nor after an inconsistent change."""
        return self._engine.is_valid(ticker)

    def _prepare(self, ticker: str, prices_cc: Sequence[int], at_us: int) -> tuple[list[SimulationEvent], int]:
        """List the market on its first event, and refine an assumed grid to the recorded prices."""
        events = self.begin(at_us)
        if not self._engine.has_market(ticker):
            events += self._list(ticker)
        now_us, record = self.exchange.lifecycle.now_us, self._markets[ticker]
        if "price_ranges" not in record.metadata.assumed:
            self._exact.add(ticker)
            return events, now_us
        finer = [price_cc for price_cc in prices_cc if not on_grid(price_cc, record.metadata.price_ranges)]
        if finer:
            step_cc = 10 if all(price_cc % 10 == 0 for price_cc in finer) else 1
            ranges = (PriceRange(0, 10_000, step_cc),)
            record.replace_metadata(msgspec.structs.replace(record.metadata, price_ranges=ranges))
            events.append(
                MarketChanged(at_us=now_us, metadata=record.metadata, event_type="price_level_structure_updated")
            )
        return events, now_us

    def _list(self, ticker: str) -> list[SimulationEvent]:
        if self._markets.get(ticker) is not None:
            return []
        now_us = self.exchange.lifecycle.now_us
        metadata = self._recorded.get(ticker) or assumed_metadata(ticker, now_us, now_us + FAR_FUTURE_US, LINEAR_CENT)
        if ticker in self._outcomes:
            self.exchange.lifecycle.expect_outcome(ticker, self._outcomes[ticker])
        return self.exchange.lifecycle.add_market(metadata, now_us)
