"""When which market is observed: applies the news, keeps the throttle, asks the ledger once for all that is due.

A change of a market whose throttle is open is observed as soon as its batch is read. One that has to wait is kept
(the newest book stands for all changes) and released by ``release``. The handlers never run twice at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from truebook.clock import MICROS
from truebook.features.layout import FeatureError, Layout
from truebook.ledger.port import LedgerError, LedgerStore, MarketView, View
from truebook.messages.codec import encode
from truebook.messages.envelope import Source
from truebook.messages.facts import MarketStatus
from truebook.messages.markets import Market
from truebook.messages.observations import Observation
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade
from truebook.messages.reasons import Reason
from truebook.messages.signals import Signal
from truebook.messages.topics import OBSERVATIONS
from truebook.pacing.breaker import Breaker
from truebook.pacing.throttle import Throttle
from truebook.pacing.waiting import Waiting
from truebook.runtime.context import Context
from truebook.runtime.frames import Incoming
from truebook_services.observation.making import ObservationMaker, refusal
from truebook_services.observation.markets import BookNews, ObservedMarket
from truebook_services.observation.portfolio import Portfolio, Positions
from truebook_services.observation.settings import ObservationSettings
from truebook_services.observation.signals import SignalTable

AT_ONCE = 16
"""So many vectors are made without a pause: in one process, orders on their way must not wait for hundreds of them."""
SHOWN_IN_BOOK = (Source.SIMULATED, Source.DEMO)
"""Market data that contain our own orders: there the exchange that we trade on is the one that is shown."""


class Observer:
    """The service's state and its three handlers."""

    def __init__(self, context: Context, settings: ObservationSettings, layout: Layout, ledger: LedgerStore) -> None:
        self._context = context
        self._settings = settings
        self._ledger = ledger
        self._signals = SignalTable(settings.most_signals)
        self._maker = ObservationMaker(context, layout, self._signals)
        self._markets: dict[str, ObservedMarket] = {}
        self._pending = Waiting()
        self._positions = Positions()
        self._throttle = Throttle(settings.throttle_ms * 1000)
        self._breaker = Breaker(
            settings.breaker_errors, int(settings.breaker_window_s * MICROS), int(settings.breaker_rest_s * MICROS),
            settings.breaker_slows,
        )  # fmt: skip
        self._observing = asyncio.Lock()

    async def take(self, batch: Sequence[Incoming]) -> None:
        """Apply news of markets, books and signals, and observe what has changed and may be observed now."""
        for incoming in batch:
            match incoming.message:
                case BookDelta() | BookSnapshot() | BookStale() | PublicTrade() as news:
                    self._take_book(news)
                case Market() as news:
                    self._take_market(news)
                case Signal() as news:
                    if self._signals.take(news, self._context.clock.now_us()) and news.ticker in self._markets:
                        self._is_due(self._markets[news.ticker])
                case _:
                    pass
        await self.release()

    async def release(self) -> None:
        """Observe every changed market whose throttle is open."""
        if not self._pending:
            return
        async with self._observing:
            due = self._take_due()
            if due:
                await self._observe(due)

    async def read_positions(self) -> None:
        """Read the positions of all markets anew; raises what the ledger raises."""
        self._positions.take_all(await self._ledger.view())

    def _take_market(self, message: Market) -> None:
        market = self._market(message.ticker)
        is_new = not market.is_chosen and message.chosen
        market.take_facts(message)
        if is_new and market.replica.stale is None:
            self._is_due(market)
        if not message.chosen:
            self._pending.discard(message.ticker)
            market.pending_frame_us = None
            if message.facts.status is MarketStatus.FINALIZED:
                self._markets.pop(message.ticker, None)
                self._throttle.forget(message.ticker)
                self._breaker.reset(message.ticker)

    def _take_book(self, message: BookNews) -> None:
        market = self._market(message.ticker)
        is_changed = market.take_book(message)
        is_long_ago = self._context.clock.now_us() - market.observed_us >= self._settings.quiet_s * MICROS
        if is_changed or (is_long_ago and isinstance(message, BookSnapshot) and market.replica.stale is None):
            self._is_due(market)

    def _market(self, ticker: str) -> ObservedMarket:
        market = self._markets.get(ticker)
        if market is None:
            market = self._markets[ticker] = ObservedMarket(ticker)
        return market

    def _is_due(self, market: ObservedMarket) -> None:
        if market.pending_frame_us is not None:
            return
        now_us = self._context.clock.now_us()
        market.pending_frame_us = market.replica.frame_us
        ready_us = self._throttle.ready_at(market.ticker, now_us)
        market.waited = ready_us > now_us
        self._pending.add(market.ticker, ready_us)

    def _take_due(self) -> list[ObservedMarket]:
        """Take the pending markets that pass throttle, breaker and all that can be judged without the ledger."""
        now_us, due = self._context.clock.now_us(), []
        for ticker in self._pending.take(now_us):
            market = self._markets.get(ticker)
            if market is None:
                continue  # it ended while its view was being read
            self._throttle.attempt(ticker, now_us)
            reason = None if self._breaker.allows(ticker, now_us) else Reason.BREAKER
            reason = reason or refusal(market, self._settings, now_us)
            if reason is None and market.is_chosen:
                due.append(market)
                continue
            market.observed_us, market.pending_frame_us = now_us, None
            if reason is not None:
                self._refuse(reason)
        return due

    async def _observe(self, due: Sequence[ObservedMarket]) -> None:
        """Observe these markets by one view of the ledger. Their books may have moved on while it was read. Those whose
        observation was not published, for whatever reason, wait for their next turn.
        """
        released_us = self._context.clock.monotonic_us()
        done = 0
        try:
            view = await self._view(due)
            if view is None:
                for _ in due:
                    self._refuse(Reason.NO_LEDGER)
                return
            self._positions.take(view)
            portfolio = self._positions.value(view.account, self._markets)
            views = {market.ticker: market for market in view.markets}
            for start in range(0, len(due), AT_ONCE):
                if start:
                    await asyncio.sleep(0)
                await self._observe_some(due[start : start + AT_ONCE], views, portfolio, released_us)
                done = start + AT_ONCE
        finally:
            for market in due[done:]:
                market.pending_frame_us = None
                self._is_due(market)

    async def _observe_some(
        self, due: Sequence[ObservedMarket], views: Mapping[str, MarketView], portfolio: Portfolio, released_us: int
    ) -> None:
        clock, metrics = self._context.clock, self._context.metrics
        made: list[tuple[str, bytes]] = []
        frames_us: list[int] = []
        for market in due:
            market_view = views.get(market.ticker)
            market.take_orders(market_view, shown_in_book=self._context.source in SHOWN_IN_BOOK)
            if market.waited and market.pending_frame_us is not None:
                metrics.seconds("throttle_wait", max(0, released_us - market.pending_frame_us) / MICROS)
            market.observed_us, market.pending_frame_us = clock.now_us(), None
            frame_us = released_us if market.waited else market.replica.frame_us
            observation = self._make(market, market_view, portfolio, frame_us)
            if observation is not None:
                made.append((market.ticker, encode(observation)))
                frames_us.append(frame_us)
        if made:
            await self._context.bus.publish_many(OBSERVATIONS, made)
            metrics.count("observations", len(made))
            observed_us = clock.monotonic_us()
            for frame_us in frames_us:
                if frame_us:
                    metrics.seconds("tick_to_observation", max(0, observed_us - frame_us) / MICROS)

    async def _view(self, due: Sequence[ObservedMarket]) -> View | None:
        try:
            view = await self._ledger.view(tuple(market.ticker for market in due))
        except LedgerError as error:
            if not error.retry:
                raise
            self._context.log.warning("ledger not read", error=str(error))
            return None
        return view if view.account.opened else None

    def _make(
        self, market: ObservedMarket, view: MarketView | None, portfolio: Portfolio, frame_us: int
    ) -> Observation | None:
        now_us, started_us = market.observed_us, self._context.clock.monotonic_us()
        reason = refusal(market, self._settings, now_us)
        if reason is not None:
            self._refuse(reason)
            return None
        try:
            observation = self._maker.make(market, view, portfolio, now_us=now_us, frame_us=frame_us)
        except FeatureError as error:
            self._refuse(error.reason)
            if error.reason is Reason.MODEL_FAILED:
                self._context.log.error("features failed", ticker=market.ticker, detail=error.detail)
                self._breaker.failed(market.ticker, now_us)
            return None
        took_us = self._context.clock.monotonic_us() - started_us
        if took_us > self._settings.slow_ms * 1000:
            self._context.metrics.count("observations_slow")
            self._breaker.slow(market.ticker, now_us)
        else:
            self._breaker.succeeded(market.ticker)
        return observation

    def _refuse(self, reason: Reason) -> None:
        self._context.metrics.count("observations_refused", reason=str(reason))
