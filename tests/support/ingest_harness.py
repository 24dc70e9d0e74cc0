"""Ingest on the simulated exchange in memory, with a reader of what it publishes."""

from __future__ import annotations

from typing import Any

from support.in_memory_exchange import exchange_with
from support.services import RunningServices, TopicReader, make_context, opened_ledger
from truebook.messages.orderbook import BookStale
from truebook.messages.reasons import Reason
from truebook.messages.topics import DEAD_LETTERS, MARKETS, ORDERBOOK
from truebook_services.ingest.service import build
from truebook_services.ingest.settings import IngestSettings

BOOK = (((4_000, 3_000), (3_900, 500)), ((4_400, 1_000), (4_500, 500)))
FAST = IngestSettings(
    refresh_s=0.05, min_refresh_s=0.02, watch_s=0.005, snapshot_timeout_s=0.05, snapshot_every_s=0.05, idle_probe_s=30
)


class IngestHarness:
    """Ingest of two markets of one event, and a reader of what it publishes."""

    def __init__(self, settings: IngestSettings = FAST) -> None:
        self.settings = settings
        self.context = make_context("ingest")
        self.exchange = exchange_with({"E-1": BOOK, "E-2": BOOK}, self.context.clock, settlement_delay_us=0)
        self.reader = TopicReader(self.context.bus, MARKETS, ORDERBOOK, DEAD_LETTERS)

    async def __aenter__(self) -> IngestHarness:
        self.ledger = await opened_ledger()
        await self.reader.join()
        service = build(self.context, self.settings, rest=self.exchange, connector=self.exchange, ledger=self.ledger)
        self.service = service
        self._running = RunningServices(service)
        await self._running.__aenter__()
        await self.reader.until(lambda: self.is_fresh("E-1") and self.is_fresh("E-2"), "both books fresh")
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._running.__aexit__(*raised)

    def is_fresh(self, ticker: str) -> bool:
        replica = self.reader.replicas.get(ticker)
        return replica is not None and replica.stale is None

    def is_true(self, ticker: str) -> bool:
        return self.is_fresh(ticker) and self.reader.replicas[ticker].book == self.exchange.true_book(ticker)

    def lose_delta(self, *change: Any) -> None:
        """Change a book; the frame is lost with its sequence number."""
        self.exchange.lose_frames("orderbook_delta")
        self.exchange.change_level(*change)

    def stale_marks(self, ticker: str) -> list[Reason]:
        return [mark.reason for mark in self.reader.of(BookStale) if mark.ticker == ticker]
