"""Ingest and observation as they run, on the in-process bus, fed by a scripted exchange."""

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
from support.fakes_market import FakeFeed, FakeMarketRest, facts, opened_ledger
from truebook.bus.memory import MemoryBus
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

NEVER_S = 36_000.0
RAISE_CC = 4_000
DEPTH = 10
READY_WITHIN_S = 300.0
CHANNEL = "orderbook_delta"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What one flood of deltas has cost: CPU and wall seconds, and the most records that the bus held meanwhile."""

    cpu_s: float
    wall_s: float
    most_held: int


class Pipeline:
    """The services, the exchange's side, and the means to flood them."""

    def __init__(
        self, markets: int, observation: ObservationSettings, snapshot_every_s: float, *, bus: MemoryBus | None = None,
        ledger: LedgerStore | None = None, raised: int = 0,
    ) -> None:  # fmt: skip
        """``raised`` markets have their books 40 cents higher, so that a model can tell them from the others."""
        self.clock, self.bus, self.correlations = SystemClock(), bus or MemoryBus(), Correlations()
        self.ledger = ledger
        self.tickers = tuple(f"SIM{index // 2:05d}-{index:05d}" for index in range(markets))
        books = {ticker: levels(DEPTH, RAISE_CC if index < raised else 0) for index, ticker in enumerate(self.tickers)}
        self.feed = FakeFeed(books, self.clock)
        self.rest = FakeMarketRest([facts(ticker) for ticker in self.tickers], self.feed)
        self.contexts: dict[str, Context] = {}
        self.observation = observation
        self.ingest = IngestSettings(
            snapshot_every_s=snapshot_every_s, quiet_s=NEVER_S, silence_s=NEVER_S, refresh_s=NEVER_S,
            universe=UniverseSettings(most_markets=markets, tickers=self.tickers),
        )  # fmt: skip
        self._random = random.Random(SEED)
        self._places = [
            (ticker, side, price_cc)
            for ticker in self.tickers
            for side, prices in zip(BookSide, books[ticker], strict=True)
            for price_cc, _ in prices
        ]

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
                self.context("ingest"), self.ingest, rest=self.rest, connector=self.feed, ledger=ledger
            ),
        )  # fmt: skip

    def frames(self, count: int) -> list[str]:
        """Deltas of random markets and levels, numbered on from the connection's last one; books stay two-sided."""
        connection, made = self.feed.now, []
        sid, now_us = connection.channels[CHANNEL], self.clock.now_us()
        for _ in range(count):
            ticker, side, price_cc = self._random.choice(self._places)
            is_bid = side is BookSide.BID
            own_cc = price_cc if is_bid else 10_000 - price_cc
            delta_centi = self._random.randrange(1, 1_000)
            made.append(delta_frame(
                ticker, connection.next_seq(sid), own_cc, delta_centi, is_yes=is_bid, sid=sid, at_us=now_us
            ))  # fmt: skip
        return made

    async def flood(self, count: int, burst: int = 2_000) -> Taken:
        """Send deltas in bursts, each as soon as the one before has left the socket, and wait until all are read."""
        frames, most_held = self.frames(count), 0
        with no_collection():
            cpu_s, wall_s = time.thread_time(), time.perf_counter()
            for start in range(0, count, burst):
                for frame in frames[start : start + burst]:
                    self.feed.now.inbox.put_nowait(frame)
                while not self.feed.now.inbox.empty():
                    await asyncio.sleep(0)
                most_held = max(most_held, self.bus.held())
            await self.until_read()
            return Taken(
                cpu_s=time.thread_time() - cpu_s, wall_s=time.perf_counter() - wall_s, most_held=most_held
            )  # fmt: skip

    async def until_read(self) -> None:
        """Wait until nothing is under way any more between socket and observation."""
        calm = 0
        while calm < 3:
            await asyncio.sleep(0.003)
            calm = calm + 1 if self.feed.now.inbox.empty() and not self.lag() else 0

    def lag(self) -> int:
        group = self.bus._groups[GROUP]
        shares = [share for share in group.shares.values() if share.partition.topic == ORDERBOOK.name]
        return sum(share.log.waiting(share.position) for share in shares)

    def count(self, service: str, name: str) -> int:
        return self.contexts[service].metrics.total(name)

    def must_be_whole(self) -> None:
        """A pipeline that has lost books would look fast."""
        lost = self.count("ingest", "collapsed_messages") + self.count("ingest", "stale_books")
        gaps = self.contexts["observation"].metrics.totals("observations_refused", "reason")
        if lost or any(word in gaps for word in ("version_gap", "backlog", "no_snapshot")):
            raise AssertionError(f"books were lost: {lost}, {gaps}")


@asynccontextmanager
async def running(
    markets: int, *, throttle_ms: int = 250, snapshot_every_s: float = 2.0, extra: Any = None, **more: Any
) -> AsyncIterator[Pipeline]:
    """Run the pipeline until every market has been observed once, and hand it over. ``extra``: more services."""
    observation = ObservationSettings(throttle_ms=throttle_ms, quiet_s=NEVER_S, max_book_age_s=NEVER_S)
    pipeline, stop = Pipeline(markets, observation, snapshot_every_s, **more), asyncio.Event()
    services = (*(extra(pipeline) if extra is not None else ()), *await pipeline.services())
    tasks = [asyncio.ensure_future(service.run(stop)) for service in services]
    give_up_at = time.monotonic() + READY_WITHIN_S
    try:
        while pipeline.contexts["observation"].metrics.total("observations") < markets:
            if time.monotonic() > give_up_at:
                raise AssertionError(f"only some of {markets} markets were observed")
            await asyncio.sleep(0.01)
        yield pipeline
    finally:
        stop.set()
        await asyncio.gather(*tasks)
