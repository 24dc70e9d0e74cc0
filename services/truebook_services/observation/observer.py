"""Decides when a market is observed: applies updates, throttles, and reads the ledger once for all due markets.

A change is observed with its batch if the market's throttle is open; otherwise the newest book is observed when
``release`` finds the throttle open. Observations are never made concurrently.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from truebook.bus.port import Record
from truebook.clock import MICROS
from truebook.features.layout import FeatureError, Layout
from truebook.ledger.port import LedgerError, LedgerStore, LedgerView, MarketView
from truebook.messages.codec import encode
from truebook.messages.envelope import Tombstone
from truebook.messages.market_metadata import MarketStatus
from truebook.messages.markets import MarketUpdated
from truebook.messages.observations import Observation
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade
from truebook.messages.reasons import Reason
from truebook.messages.signals import Signal
from truebook.messages.topics import MARKETS, OBSERVATIONS
from truebook.observation.builder import Due, ObservationBuilder, refusal
from truebook.observation.markets import FEEDS_WITH_OWN_ORDERS, BookUpdate, ObservedMarket
from truebook.observation.portfolio import Portfolio, Positions
from truebook.observation.signals import SignalTable, key_error, time_error
from truebook.pacing.breaker import Breaker
from truebook.pacing.due_queue import DueQueue
from truebook.pacing.throttle import Throttle
from truebook.runtime.context import Context
from truebook.runtime.dead_letters import publish_dead_letter
from truebook.runtime.frames import Incoming
from truebook.runtime.refusals import RefusalCounter
from truebook_services.observation.settings import ObservationSettings

LOT = 32
"""Markets observed between two yields to the event loop: in one process, orders must not wait for hundreds of them."""
OWN_LOT = 16
"""The same, where a layout has features of a user, which may be slow: their vectors are computed and timed singly."""


class Observer:
    """The state of all markets, and the service's handlers."""

    def __init__(self, context: Context, settings: ObservationSettings, layout: Layout, ledger: LedgerStore) -> None:
        self._context = context
        self._settings = settings
        self._ledger = ledger
        self._signals = SignalTable(settings.max_signals)
        self._builder = ObservationBuilder(context.identity, layout, self._signals)
        self._lot, self._together = (LOT, LOT) if layout.is_bundled else (OWN_LOT, 1)
        self._limits = settings.limits()
        self._markets: dict[str, ObservedMarket] = {}
        self._pending = DueQueue()
        self._positions = Positions()
        self._throttle = Throttle(settings.throttle_ms * 1000)
        self._breaker = Breaker(
            settings.breaker_errors, int(settings.breaker_window_s * MICROS), int(settings.breaker_cooldown_s * MICROS),
            settings.breaker_slow_calls,
        )  # fmt: skip
        self._observing = asyncio.Lock()
        self.refusals = RefusalCounter(context)

    async def handle(self, batch: Sequence[Incoming]) -> None:
        """Apply updates of markets, books and signals, and observe the changed markets whose throttle is open."""
        for incoming in batch:
            match incoming.message:
                case BookDelta() | BookSnapshot() | BookStale() | PublicTrade() as update:
                    self._update_book(update)
                case MarketUpdated() as update:
                    self._update_market(update)
                case Signal() as signal:
                    await self._take_signal(signal, incoming.record)
                case Tombstone() if incoming.record.topic == MARKETS.name:
                    self._drop(incoming.record.key)
                case Tombstone():
                    self._signals.delete(incoming.record.key)
                case _:
                    pass
        await self.release()

    async def _take_signal(self, signal: Signal, record: Record) -> None:
        now_us = self._context.clock.now_us()
        error = key_error(signal, record.key) or time_error(signal, now_us)
        if error:
            await publish_dead_letter(
                self._context, origin=record.topic, key=record.key, payload=record.value, reason=Reason.UNDECODABLE,
                detail=error,
            )  # fmt: skip
        elif self._signals.take(signal, now_us) and signal.ticker in self._markets:
            self._schedule(self._markets[signal.ticker])

    async def release(self) -> None:
        """Observe every changed market whose throttle is open."""
        if not self._pending:
            return
        async with self._observing:
            due = self._take_due()
            if due:
                await self._observe(due)

    async def read_positions(self) -> None:
        """Read the positions of all markets; raises ``LedgerError``."""
        self._positions.replace(await self._ledger.live_view())

    def _update_market(self, message: MarketUpdated) -> None:
        market = self._market(message.ticker)
        is_new = not market.selected and message.selected
        market.update_metadata(message)
        if is_new and market.replica.stale is None:
            self._schedule(market)
        if not message.selected:
            self._pending.discard(message.ticker)
            market.pending_frame_us = None
            if message.metadata.status is MarketStatus.FINALIZED:
                self._drop(message.ticker)

    def _drop(self, ticker: str) -> None:
        """Drop all that is kept of a market that has ended or is deleted from the topic."""
        self._pending.discard(ticker)
        self._markets.pop(ticker, None)
        self._throttle.drop(ticker)
        self._breaker.reset(ticker)

    def _update_book(self, message: BookUpdate) -> None:
        market = self._markets.get(message.ticker)
        if market is None:
            if isinstance(message, BookStale):
                return  # topics have no common order: a dropped book's last message must not bring the market back
            market = self._market(message.ticker)
        if market.update_book(message) or (isinstance(message, BookSnapshot) and self._is_idle(market)):
            self._schedule(market)

    def _is_idle(self, market: ObservedMarket) -> bool:
        """Return whether a market with a fresh book has not been observed for long."""
        idle_us = self._context.clock.now_us() - market.observed_us
        return market.replica.stale is None and idle_us >= self._settings.idle_interval_s * MICROS

    def _market(self, ticker: str) -> ObservedMarket:
        market = self._markets.get(ticker)
        if market is None:
            market = self._markets[ticker] = ObservedMarket(ticker)
        return market

    def _schedule(self, market: ObservedMarket) -> None:
        if market.pending_frame_us is not None:
            return
        now_us = self._context.clock.now_us()
        market.pending_frame_us = market.replica.frame_us
        ready_us = self._throttle.ready_at(market.ticker, now_us)
        market.was_throttled = ready_us > now_us
        self._pending.add(market.ticker, ready_us)

    def _take_due(self) -> list[ObservedMarket]:
        """Take the pending markets whose throttle is open, and count the refusals that need no ledger."""
        now_us, due = self._context.clock.now_us(), []
        for ticker in self._pending.take(now_us):
            market = self._markets.get(ticker)
            if market is None:
                continue  # the market ended while the ledger was read
            self._throttle.attempt(ticker, now_us)
            reason = None if self._breaker.allows(ticker, now_us) else Reason.BREAKER
            reason = reason or refusal(market, self._limits, now_us)
            if reason is None and market.selected:
                due.append(market)
                continue
            market.observed_us, market.pending_frame_us = now_us, None
            if reason is not None:
                self._refuse(ticker, reason)
        return due

    async def _observe(self, due: Sequence[ObservedMarket]) -> None:
        """Observe these markets by one view of the ledger; their books may change while it is read.

        A market whose observation was not published, for whatever reason, is scheduled again.
        """
        released_us = self._context.clock.monotonic_us()
        done = 0
        try:
            view = await self._view(due)
            if view is None:
                for market in due:
                    self._refuse(market.ticker, Reason.NO_LEDGER)
                return
            self._positions.update(view)
            portfolio = self._positions.value(view.account, self._markets)
            views = {market.ticker: market for market in view.markets}
            for start in range(0, len(due), self._lot):
                if start:
                    await asyncio.sleep(0)
                await self._observe_some(due[start : start + self._lot], views, portfolio, released_us)
                done = start + self._lot
        finally:
            for market in due[done:]:
                market.pending_frame_us = None
                self._schedule(market)

    async def _observe_some(
        self, due: Sequence[ObservedMarket], views: Mapping[str, MarketView], portfolio: Portfolio, released_us: int
    ) -> None:
        clock, metrics = self._context.clock, self._context.metrics
        now_us, in_feed = clock.now_us(), self._context.source in FEEDS_WITH_OWN_ORDERS
        lot: list[Due] = []
        for market in due:
            market_view = views.get(market.ticker)
            market.update_own_orders(market_view, in_feed=in_feed)
            if market.was_throttled and market.pending_frame_us is not None:
                metrics.seconds("throttle_wait", max(0, released_us - market.pending_frame_us) / MICROS)
            market.observed_us, market.pending_frame_us = now_us, None
            reason = refusal(market, self._limits, now_us)
            if reason is not None:
                self._refuse(market.ticker, reason)
                continue
            lot.append(Due(
                market, market_view, now_us, released_us if market.was_throttled else market.replica.frame_us
            ))  # fmt: skip
        built: list[Observation] = []
        for start in range(0, len(lot), self._together):
            built += self._build(lot[start : start + self._together], portfolio)
        if built:
            await self._context.bus.publish_many(OBSERVATIONS, [(each.ticker, encode(each)) for each in built])
            metrics.count("observations", len(built))
            observed_us = clock.monotonic_us()
            for each in built:
                if each.frame_us:
                    metrics.seconds("tick_to_observation", max(0, observed_us - each.frame_us) / MICROS)

    async def _view(self, due: Sequence[ObservedMarket]) -> LedgerView | None:
        try:
            view = await self._ledger.view(tuple(market.ticker for market in due))
        except LedgerError as error:
            if not error.retry:
                raise
            self._context.log.warning("could not read the ledger", error=str(error))
            return None
        return view if view.account.opened else None

    def _build(self, lot: Sequence[Due], portfolio: Portfolio) -> list[Observation]:
        """Compute the observations of these markets together; those that fail are refused."""
        started_us = self._context.clock.monotonic_us()
        found = self._builder.build_all(lot, portfolio)
        took_us = self._context.clock.monotonic_us() - started_us
        is_slow = took_us > self._settings.slow_ms * 1000 * len(lot)
        observations: list[Observation] = []
        for (market, _, now_us, _), made in zip(lot, found, strict=True):
            if isinstance(made, FeatureError):
                self._refuse(market.ticker, made.reason)
                if made.reason is Reason.INFERENCE_FAILED:
                    self._context.log.error("feature computation failed", ticker=market.ticker, detail=made.detail)
                    self._breaker.failed(market.ticker, now_us)
                continue
            observations.append(made)
            if is_slow:
                self._context.metrics.count("observations_slow")
                self._breaker.slow(market.ticker, now_us)
            else:
                self._breaker.succeeded(market.ticker)
        return observations

    def _refuse(self, ticker: str, reason: Reason) -> None:
        self.refusals.count(ticker, reason)
        self._context.metrics.count("observations_refused", reason=str(reason))
