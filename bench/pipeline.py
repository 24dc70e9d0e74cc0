"""Ingest and observation as they run in production, on the in-process bus, fed by a scripted exchange."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from bench.measure import no_collection
from bench.samples import SEED, delta_frame, levels
from support.in_memory_exchange import ExchangeConnection, exchange_with
from support.metrics import counted
from support.services import opened_ledger
from truebook.bus.memory.bus import MemoryBus
from truebook.clock import SystemClock
from truebook.ledger.port import LedgerStore
from truebook.messages.envelope import BookSide, Source
from truebook.messages.topics import ORDERBOOK
from truebook.runtime.context import Context
from truebook.runtime.correlation import Correlations
from truebook.runtime.frames import Service
from truebook.runtime.metrics import Metrics
from truebook_services.ingest.service import build as build_ingest
from truebook_services.ingest.settings import IngestSettings, UniverseSettings
from truebook_services.observation.service import GROUP
from truebook_services.observation.service import build as build_observation
from truebook_services.observation.settings import ObservationSettings
from truebook_services.paper_exchange.stream.subscriptions import StreamChannel

NEVER_S = 36_000.0
RAISE_CC = 4_000
DEPTH = 10
READY_WITHIN_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Taken:
    """The cost of one flood of deltas: CPU and wall seconds, and the most records in the bus meanwhile."""

    cpu_s: float
    wall_s: float
    max_held: int


class Pipeline:
    """The services, the exchange's side, and the means to flood them."""

    def __init__(
        self, markets: int, observation: ObservationSettings, snapshot_every_s: float, *, bus: MemoryBus | None = None,
        ledger: LedgerStore | None = None, raised: int = 0,
    ) -> None:  # fmt: skip
        """``raised`` markets have their books 40 cents higher, so that a model can distinguish them."""
        self.clock, self.bus, self.correlations = SystemClock(), bus or MemoryBus(), Correlations()
        self.ledger = ledger
        self.tickers = tuple(f"SIM{index // 2:05d}-{index:05d}" for index in range(markets))
        books = {ticker: levels(DEPTH, RAISE_CC if index < raised else 0) for index, ticker in enumerate(self.tickers)}
        self.exchange = exchange_with(books, self.clock)
        self.contexts: dict[str, Context] = {}
        self.observation = observation
        self.ingest = IngestSettings(
            snapshot_every_s=snapshot_every_s, idle_probe_s=NEVER_S, silence_s=NEVER_S, refresh_s=NEVER_S,
            universe=UniverseSettings(max_markets=markets, tickers=self.tickers),
        )  # fmt: skip
        self._random = random.Random(SEED)
        self._places = [
            (ticker, side, price_cc)
            for ticker in self.tickers
            for side, prices in zip(BookSide, books[ticker], strict=True)
            for price_cc, _ in prices
        ]

    @property
    def connection(self) -> ExchangeConnection:
        """The open connection of ingest."""
        return self.exchange.connections[-1]

    def context(self, service: str) -> Context:
        self.contexts[service] = Context(
            service=service, account="sim-main", strategy="main", source=Source.SIMULATED, clock=self.clock,
            bus=self.bus, metrics=Metrics(service), log=structlog.get_logger(), correlations=self.correlations,
        )  # fmt: skip
        return self.contexts[service]

    async def services(self) -> tuple[Service, ...]:
        ledger = self.ledger or await opened_ledger()
        return (
            build_observation(self.context("observation"), self.observation, ledger=ledger),
            build_ingest(
                self.context("ingest"), self.ingest, rest=self.exchange, connector=self.exchange, ledger=ledger
            ),
        )  # fmt: skip

    def frames(self, count: int) -> list[str]:
        """Build deltas of random markets and levels, with the connection's next numbers; books stay two-sided."""
        channel, connection, made = StreamChannel.ORDERBOOK, self.connection, []
        sid, now_us = connection.sid(channel), self.clock.now_us()
        for _ in range(count):
            ticker, side, price_cc = self._random.choice(self._places)
            is_bid = side is BookSide.BID
            own_cc = price_cc if is_bid else 10_000 - price_cc
            delta_centi = self._random.randrange(1, 1_000)
            made.append(delta_frame(
                ticker, connection.next_seq(channel), own_cc, delta_centi, is_yes=is_bid, sid=sid, at_us=now_us
            ))  # fmt: skip
        return made

    async def flood(self, count: int, burst: int = 2_000) -> Taken:
        """Send deltas in bursts, each as soon as the previous one has left the socket, and wait until all are read."""
        frames, max_held = self.frames(count), 0
        with no_collection():
            cpu_s, wall_s = time.thread_time(), time.perf_counter()
            for start in range(0, count, burst):
                self.connection.deliver(*frames[start : start + burst])
                while not self.connection.is_read():
                    await asyncio.sleep(0)
                max_held = max(max_held, self.bus.held())
            await self.until_read()
            return Taken(
                cpu_s=time.thread_time() - cpu_s, wall_s=time.perf_counter() - wall_s, max_held=max_held
            )  # fmt: skip

    async def until_read(self) -> None:
        """Wait until nothing is in flight between socket and observation."""
        calm = 0
        while calm < 3:
            await asyncio.sleep(0.003)
            calm = calm + 1 if self.connection.is_read() and not self.lag() else 0

    def lag(self) -> int:
        group = self.bus._groups[GROUP]
        shares = [share for share in group.shares.values() if share.partition.topic == ORDERBOOK.name]
        return sum(share.log.waiting(share.position) for share in shares)

    def count(self, service: str, name: str) -> int:
        return counted(self.contexts[service].metrics, name)

    def must_be_whole(self) -> None:
        """Raise if books were lost, which would look fast."""
        lost = self.count("ingest", "collapsed_messages") + self.count("ingest", "books_invalidated")
        metrics = self.contexts["observation"].metrics
        reasons = ("version_gap", "backlog", "no_snapshot")
        gaps = {reason: counted(metrics, "observations_refused", reason=reason) for reason in reasons}
        if lost or any(gaps.values()):
            raise AssertionError(f"books were lost: {lost}, {gaps}")


@asynccontextmanager
async def running(
    markets: int, *, throttle_ms: int = 250, snapshot_every_s: float = 2.0, extra: Any = None, **more: Any
) -> AsyncIterator[Pipeline]:
    """Run the pipeline until every market has been observed once, and yield it. ``extra``: more services."""
    observation = ObservationSettings(throttle_ms=throttle_ms, idle_interval_s=NEVER_S, max_book_age_s=NEVER_S)
    pipeline, stop = Pipeline(markets, observation, snapshot_every_s, **more), asyncio.Event()
    services = (*(extra(pipeline) if extra is not None else ()), *await pipeline.services())
    tasks = [asyncio.ensure_future(service.run(stop)) for service in services]
    give_up_at = time.monotonic() + READY_WITHIN_S
    try:
        while counted(pipeline.contexts["observation"].metrics, "observations") < markets:
            if time.monotonic() > give_up_at:
                raise AssertionError(f"only some of {markets} markets were observed")
            await asyncio.sleep(0.01)
        yield pipeline
    finally:
        stop.set()
        await asyncio.gather(*tasks)
