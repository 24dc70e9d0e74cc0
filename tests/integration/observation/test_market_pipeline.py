"""Ingest, observation and policy in one process: market data from a scripted connection, actions on the bus."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from support.in_memory_exchange import ALL_COMMANDS, exchange_with
from support.metrics import counted
from support.services import RunningServices, TopicReader, make_context, opened_ledger, until
from truebook.bus.memory.bus import MemoryBus
from truebook.clock import SystemClock
from truebook.kalshi.port import DeltaFrame
from truebook.kalshi.stream.frames import decode_frame
from truebook.messages.actions import Action
from truebook.messages.envelope import BookSide
from truebook.messages.ids import action_id
from truebook.messages.observations import Observation
from truebook.messages.orderbook import BookDelta, BookStale
from truebook.messages.reasons import Reason
from truebook.messages.topics import ACTIONS, OBSERVATIONS, ORDERBOOK
from truebook.models.registry import ModelRegistry
from truebook.runtime.context import Context
from truebook_services.ingest.service import build as build_ingest
from truebook_services.ingest.settings import IngestSettings, UniverseSettings
from truebook_services.observation.service import build as build_observation
from truebook_services.observation.settings import ObservationSettings
from truebook_services.policy.service import build as build_policy
from truebook_services.policy.settings import PolicySettings

BID, ASK = BookSide.BID, BookSide.ASK
BOOK = (((4_000, 3_000), (3_900, 500)), ((4_400, 1_000), (4_500, 500)))
CAPTURES = os.environ.get("TRUEBOOK_CAPTURES")
SESSION = Path(CAPTURES or "") / "ws" / "jfreun123_demo_20260701_session.jsonl"


class Pipeline:
    """The three services on one bus; ``exchange`` is the other side."""

    def __init__(self, folder: Path, tickers: tuple[str, ...] = ("E-1", "E-2")) -> None:
        self.bus, self.clock = MemoryBus(), SystemClock()
        self.tickers = tickers
        self.exchange = exchange_with(dict.fromkeys(tickers, BOOK), self.clock)
        self.registry = ModelRegistry(folder)
        self.reader = TopicReader(self.bus, ORDERBOOK, OBSERVATIONS, ACTIONS)
        self.contexts: dict[str, Context] = {}

    def context(self, service: str) -> Context:
        self.contexts[service] = make_context(service, clock=self.clock, bus=self.bus)
        return self.contexts[service]

    async def __aenter__(self) -> Pipeline:
        self.ledger = await opened_ledger()
        await self.reader.join()
        universe = UniverseSettings(max_markets=len(self.tickers))
        ingest = IngestSettings(watch_s=0.01, snapshot_timeout_s=0.1, snapshot_every_s=0.2, universe=universe)
        self._running = RunningServices(
            build_policy(self.context("policy"), PolicySettings(), registry=self.registry),
            build_observation(
                self.context("observation"), ObservationSettings(throttle_ms=50, release_ms=5), ledger=self.ledger
            ),
            build_ingest(
                self.context("ingest"), ingest, rest=self.exchange, connector=self.exchange, ledger=self.ledger
            ),
        )  # fmt: skip
        await self._running.__aenter__()
        await self.reader.until(lambda: {each.ticker for each in self.actions()} == set(self.tickers), "decided")
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._running.__aexit__(*raised)

    def actions(self, ticker: str | None = None) -> list[Action]:
        return [each for each in self.reader.of(Action) if ticker in (None, each.ticker)]

    def observations(self, ticker: str) -> list[Observation]:
        return [each for each in self.reader.of(Observation) if each.ticker == ticker]


async def test_a_book_change_becomes_an_action_that_names_its_causes(tmp_path: Path) -> None:
    async with Pipeline(tmp_path) as pipeline:
        before, open_us = len(pipeline.actions("E-1")), pipeline.observations("E-1")[-1].produced_us + 50_000
        await until(lambda: pipeline.clock.now_us() > open_us, "the throttle is open")
        pipeline.exchange.change_level("E-1", BID, 4_100, 700)
        await pipeline.reader.until(lambda: len(pipeline.actions("E-1")) > before, "an action")
        delta = pipeline.reader.of(BookDelta)[-1]
        observation, action = pipeline.observations("E-1")[-1], pipeline.actions("E-1")[-1]
        assert (observation.cause_id, action.cause_id) == (delta.id, observation.id)
        assert action.id == action_id("sim-main", "main", observation.id)
        assert (observation.best_bid_cc, observation.best_bid_centi) == (4_100, 700)
        assert (delta.confirmed_us, delta.frame_us) == (observation.confirmed_us, observation.frame_us)
        assert action.deadline_us == delta.confirmed_us + 5_000_000
        assert action.frame_us == delta.frame_us


async def test_the_last_change_of_a_burst_is_decided(tmp_path: Path) -> None:
    async with Pipeline(tmp_path) as pipeline:
        for number in range(200):
            pipeline.exchange.change_level("E-1", BID, 4_000, 100)
            if number % 20 == 0:
                await pipeline.reader.read()
        size_centi = pipeline.exchange.true_book("E-1").size_at(BID, 4_000)
        await pipeline.reader.until(
            lambda: pipeline.observations("E-1")[-1].best_bid_centi == size_centi, "the last change observed"
        )
        seen = pipeline.observations("E-1")[-1]
        await pipeline.reader.until(lambda: pipeline.actions("E-1")[-1].observation_id == seen.id, "and decided")


async def test_a_book_with_a_gap_is_not_decided_until_its_snapshot(tmp_path: Path) -> None:
    async with Pipeline(tmp_path) as pipeline:
        pipeline.exchange.ignored_commands = ALL_COMMANDS
        pipeline.exchange.lose_frames("orderbook_delta")
        pipeline.exchange.change_level("E-1", BID, 4_100, 500)
        pipeline.exchange.change_level("E-2", BID, 4_000, 100)
        await pipeline.reader.until(lambda: len(pipeline.reader.of(BookStale)) == 2, "both stale")
        stale_at = {mark.ticker: mark.version for mark in pipeline.reader.of(BookStale)}
        for _ in range(20):
            pipeline.exchange.change_level("E-1", BID, 4_000, 100)
        pipeline.exchange.ignored_commands = frozenset()
        await pipeline.reader.until(
            lambda: all(pipeline.observations(ticker)[-1].book_version > at for ticker, at in stale_at.items()),
            "observed again",
        )
        assert {mark.reason for mark in pipeline.reader.of(BookStale)} == {Reason.SEQUENCE_GAP}
        assert pipeline.observations("E-1")[-1].best_bid_cc == 4_100
        assert len([each for each in pipeline.observations("E-1") if each.book_version == stale_at["E-1"] + 1]) <= 1


async def test_a_lost_connection_stops_decisions_until_the_next_one(tmp_path: Path) -> None:
    async with Pipeline(tmp_path) as pipeline:
        pipeline.exchange.connections[-1].drop()
        await pipeline.reader.until(lambda: len(pipeline.reader.of(BookStale)) == 2, "stale")
        await until(lambda: len(pipeline.exchange.connections) == 2, "connected again")
        before = len(pipeline.actions("E-2"))
        await pipeline.reader.until(lambda: len(pipeline.actions("E-2")) > before, "decided again")
        assert {mark.reason for mark in pipeline.reader.of(BookStale)} == {Reason.DISCONNECTED}


async def test_20000_deltas_leave_every_reader_with_the_true_books(tmp_path: Path) -> None:
    tickers = tuple(f"EV{n // 4}-{n}" for n in range(20))
    rng = random.Random(7)
    async with Pipeline(tmp_path, tickers) as pipeline:
        for number in range(20_000):
            side = rng.choice((BID, ASK))
            price_cc = 4_000 - 100 * rng.randrange(30) if side is BID else 4_400 + 100 * rng.randrange(30)
            pipeline.exchange.change_level(tickers[number % 20], side, price_cc, rng.randrange(1, 500))
        await pipeline.reader.until(
            lambda: all(
                pipeline.reader.replicas[ticker].book == pipeline.exchange.true_book(ticker) for ticker in tickers
            ),
            "all books true",
            within_s=20,
        )
        await pipeline.reader.until(
            lambda: all(
                pipeline.observations(ticker)[-1].best_bid_centi == pipeline.exchange.true_book(ticker).best(BID)[1]  # type: ignore[index]
                for ticker in tickers
            ),
            "the newest books observed",
        )
        assert counted(pipeline.contexts["ingest"].metrics, "sequence_gaps") == 0
        assert counted(pipeline.contexts["ingest"].metrics, "books_invalidated") == 0


@pytest.mark.skipif(not CAPTURES, reason="TRUEBOOK_CAPTURES is not set: no recorded frames")
async def test_a_recorded_session_is_published_completely(tmp_path: Path) -> None:
    lines = SESSION.read_text().splitlines()
    tickers = tuple({event.ticker: None for line in lines if isinstance(event := decode_frame(line, 0), DeltaFrame)})
    bus = MemoryBus()
    recorded = exchange_with(dict.fromkeys(tickers, BOOK), SystemClock())
    recorded.ignored_commands = ALL_COMMANDS  # the recording contains the responses
    shared = make_context("ingest", bus=bus)
    reader = await TopicReader(bus, ORDERBOOK).join()
    universe = UniverseSettings(tickers=tickers)
    service = build_ingest(
        shared, IngestSettings(universe=universe), rest=recorded, connector=recorded,
        ledger=await opened_ledger(),
    )  # fmt: skip
    async with RunningServices(service):
        await until(lambda: recorded.connections and recorded.connections[-1].commands("subscribe")[1:], "subscribed")
        for number, line in enumerate(lines):
            recorded.connections[-1].deliver(line)
            if number % 100 == 0:  # the bus would collapse the backlog of a reader that falls far behind
                await reader.until(recorded.connections[-1].is_read, "read on")
        await reader.until(lambda: len(reader.of(BookDelta)) == 2_885, "all deltas")
    assert reader.of(BookStale)[: -len(tickers)] == []
    assert counted(shared.metrics, "sequence_gaps") == counted(shared.metrics, "frames_unreadable") == 0
