"""Paper accounts of two models on the same live books: three queue models each, which are the error band."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from truebook.backtest.engine.venue import Recorded
from truebook.backtest.paper.account import PaperAccount
from truebook.backtest.paper.books import LiveBooks
from truebook.backtest.paper.report import PaperValues
from truebook.backtest.paper.rules import PaperRules
from truebook.capture.event_types import BookGap
from truebook.ledger.port import MarketView
from truebook.messages.envelope import Message
from truebook.messages.market_metadata import BEFORE_CLOSE, MarketStatus
from truebook.messages.markets import MarketUpdated
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade
from truebook.models.session import Model
from truebook.observation.builder import refusal
from truebook.observation.markets import ObservedMarket
from truebook.pacing.due_queue import DueQueue
from truebook.pacing.throttle import Throttle
from truebook.simulation.recorded.queue import QueueModel

TICK_US: Final = 1_000_000


class PaperSession:
    """Give it the messages of ``markets`` and ``orderbook``; ``advance`` after them and ten times a second."""

    def __init__(self, rules: PaperRules, active: Model, shadow: Model, now_us: int) -> None:
        self.events = 0
        self.tickers: set[str] = set()
        """Markets that the accounts may trade, ended ones included."""
        self._rules = rules
        self._books = LiveBooks()
        self._active, self._shadow = (
            [PaperAccount(rules, model, queue, self._books, now_us) for queue in QueueModel]
            for model in (active, shadow)
        )
        self._accounts = (*self._active, *self._shadow)
        self._throttle = Throttle(rules.throttle_us)
        self._pending = DueQueue()
        self._ended: set[str] = set()
        self._listed: set[str] = set()
        self._tick_us = now_us
        self._now_us = now_us

    def take(self, messages: Sequence[Message], now_us: int, may_go_on: Callable[[], bool]) -> int:
        """Apply messages in their order; return how many were skipped, because ``may_go_on`` returned False.

        The books of skipped messages are unknown until their next snapshots.
        """
        now_us = self._now_us = max(self._now_us, now_us)
        for number, message in enumerate(messages):
            if isinstance(message, MarketUpdated):
                self._update_market(message, now_us)
                continue
            if not may_go_on():
                rest = [each for each in messages[number:] if not isinstance(each, MarketUpdated)]
                for each in messages[number:]:
                    if isinstance(each, MarketUpdated):
                        self._update_market(each, now_us)
                self._step(self._books.lose({each.ticker for each in rest}), now_us)
                return len(rest)
            if isinstance(message, BookDelta | BookSnapshot | BookStale | PublicTrade):
                self._step(self._books.update_book(message, now_us), now_us)
        return 0

    def own_orders(self, views: Mapping[str, MarketView], now_us: int) -> None:
        """Take the resting orders of the account that trades, which are no part of the paper accounts' books."""
        now_us = self._now_us = max(self._now_us, now_us)
        self._step(self._books.own_orders(views, now_us), now_us)

    def advance(self, now_us: int) -> Iterator[None]:
        """Do what is due by now: orders that arrive, throttled observations, and once a second the periodic work.

        A pause is possible after each account; until the end no other method may be called but ``results``.
        """
        now_us = self._now_us = max(self._now_us, now_us)
        due = self._due(now_us)
        is_tick = now_us - self._tick_us >= TICK_US
        for account in self._accounts:
            account.step(now_us, ())
            if due:
                account.observe(due)
            if is_tick:
                account.tick(now_us)
            yield
        if is_tick:
            self._tick_us = now_us
            for ticker in self._ended:
                self._drop(ticker)
            self._ended.clear()

    def results(self) -> tuple[tuple[PaperValues, ...], tuple[PaperValues, ...]]:
        """Return the accounts of the active model, and those of the shadow."""
        return tuple(each.values() for each in self._active), tuple(each.values() for each in self._shadow)

    def _update_market(self, message: MarketUpdated, now_us: int) -> None:
        metadata = message.metadata
        events = self._books.update_market(message)
        if message.ticker in self._listed:
            self._step(events, now_us)
            if metadata.status is MarketStatus.FINALIZED:
                self._ended.add(message.ticker)
        elif message.selected and metadata.status in BEFORE_CLOSE and metadata.close_us > now_us:
            self._listed.add(message.ticker)
            self.tickers.add(message.ticker)
            for account in self._accounts:
                account.list_market(metadata)
            self._step(self._books.shown(message.ticker), now_us)  # an equal snapshot later is no event
        elif metadata.status is MarketStatus.FINALIZED:
            self._drop(message.ticker)

    def _step(self, events: Sequence[Recorded], now_us: int) -> None:
        """Give the accounts the events of listed markets."""
        events = [each for each in events if isinstance(each, BookGap) or getattr(each, "ticker", "") in self._listed]
        if events:
            self.events += len(events)
            for account in self._accounts:
                account.step(now_us, events)

    def _due(self, now_us: int) -> list[ObservedMarket]:
        """Return the markets that are to be observed now."""
        changed, self._books.changed = self._books.changed, set()
        for ticker in sorted(changed & self._listed):
            self._pending.add(ticker, self._throttle.ready_at(ticker, now_us))
        due = []
        for ticker in self._pending.take(now_us):
            market = self._books.markets.get(ticker)
            if market is None:
                continue
            self._throttle.attempt(ticker, now_us)
            if refusal(market, self._rules.observation, now_us) is None:
                due.append(market)
        return due

    def _drop(self, ticker: str) -> None:
        self._listed.discard(ticker)
        self._pending.discard(ticker)
        self._throttle.drop(ticker)
        self._books.drop(ticker)
