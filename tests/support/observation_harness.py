"""An observer on a manual clock, with the messages that it reads and publishes."""

from __future__ import annotations

import itertools
from typing import Any

from support.in_memory_exchange import market_metadata
from support.metrics import counted
from support.services import TopicReader, make_context
from truebook.bus.port import Record
from truebook.clock import ManualClock
from truebook.features.layout import Layout, layout
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import LedgerView
from truebook.ledger.verbs import OpenAccount
from truebook.messages.envelope import BookSide, Message, Source
from truebook.messages.markets import MarketUpdated
from truebook.messages.observations import Observation
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale
from truebook.messages.reasons import Reason
from truebook.messages.signals import Signal, record_key
from truebook.messages.topics import OBSERVATIONS
from truebook.runtime.frames import Incoming
from truebook_services.observation.observer import Observer
from truebook_services.observation.settings import ObservationSettings

BID, ASK = BookSide.BID, BookSide.ASK
BIDS, ASKS = ((4_000, 3_000), (3_900, 500)), ((4_400, 1_000), (4_500, 500))
MS = 1_000


class CountedLedger(MemoryStore):
    """A ledger that records its views and may fail."""

    def __init__(self) -> None:
        super().__init__("test")
        self.views: list[tuple[str, ...] | None] = []
        self.failure: Exception | None = None

    async def view(self, tickers: tuple[str, ...] | None = None) -> LedgerView:
        self._read(tickers)
        return await super().view(tickers)

    async def live_view(self) -> LedgerView:
        self._read(None)
        return await super().live_view()

    def _read(self, tickers: tuple[str, ...] | None) -> None:
        self.views.append(tickers)
        if self.failure is not None:
            raise self.failure


class ObservationHarness:
    """An observer with one market and its book, and what it publishes."""

    def __init__(self, *, source: Source = Source.SIMULATED, of: Layout | None = None, **changed: Any) -> None:
        self.clock = ManualClock()
        self.context = make_context("observation", clock=self.clock, source=source)
        self.ledger = CountedLedger()
        self.observer = Observer(self.context, ObservationSettings(**changed), of or layout("m1"), self.ledger)
        self.reader = TopicReader(self.context.bus, OBSERVATIONS)
        self.versions: dict[str, int] = {}
        self.offsets = itertools.count()
        self.is_reading = False

    async def join(self) -> None:
        await self.reader.join()
        self.is_reading = True

    async def start(self, *tickers: str) -> ObservationHarness:
        await self.ledger.apply(OpenAccount(balance_micros=1_000_000_000))
        await self.join()
        for ticker in tickers or ("T-1",):
            await self.handle(self.market(ticker), self.snapshot(ticker))
        return self

    def envelope(self, ticker: str) -> dict[str, Any]:
        return {
            "id": f"m{next(self.offsets)}", "cause_id": "", "account": "sim-main", "strategy": "main",
            "ticker": ticker, "source": self.context.source, "exchange_us": None, "produced_us": self.clock.now_us(),
        }  # fmt: skip

    def book_fields(self, ticker: str, step: int) -> dict[str, Any]:
        self.versions[ticker] = self.versions.get(ticker, 0) + step
        now_us = self.clock.now_us()
        fields = {"epoch": 1, "version": self.versions[ticker], "confirmed_us": now_us, "frame_us": now_us - 3}
        return self.envelope(ticker) | fields

    def market(self, ticker: str = "T-1", selected: bool = True, **changed: Any) -> MarketUpdated:
        return MarketUpdated(metadata=market_metadata(ticker, **changed), selected=selected, **self.envelope(ticker))

    def snapshot(self, ticker: str = "T-1", bids: Any = BIDS, asks: Any = ASKS, step: int = 1) -> BookSnapshot:
        return BookSnapshot(bids=bids, asks=asks, **self.book_fields(ticker, step))

    def delta(
        self, size_centi: int, ticker: str = "T-1", side: BookSide = BID, price_cc: int = 4_000, ours: str = ""
    ) -> BookDelta:
        fields = self.book_fields(ticker, 1)
        return BookDelta(book_side=side, price_cc=price_cc, size_centi=size_centi, client_order_id=ours, **fields)

    def stale(self, reason: Reason, ticker: str = "T-1") -> BookStale:
        return BookStale(reason=reason, **self.book_fields(ticker, 0))

    def signal(self, value: float, valid_s: float, ticker: str = "T-1", name: str = "edge") -> Signal:
        now_us = self.clock.now_us()
        until_us = now_us + int(valid_s * 1_000_000)
        return Signal(name=name, value=value, as_of_us=now_us, valid_until_us=until_us, **self.envelope(ticker))

    async def handle(self, *messages: Message) -> None:
        await self.observer.handle(
            [Incoming(Record("t", 0, next(self.offsets), key_of(m), b""), m, lambda: None) for m in messages]
        )
        await self.seen()

    async def release(self) -> None:
        await self.observer.release()
        await self.seen()  # the bus keeps only the newest observation of a market, so read each immediately

    def pass_ms(self, milliseconds: int) -> None:
        self.clock.set(self.clock.now_us() + milliseconds * MS)

    async def seen(self) -> list[Observation]:
        if self.is_reading:
            await self.reader.read()
        return self.reader.of(Observation)

    def refused(self, reason: Reason) -> int:
        return counted(self.context.metrics, "observations_refused", reason=str(reason))


def key_of(message: Message) -> str:
    return record_key(message.ticker, message.name) if isinstance(message, Signal) else message.ticker
