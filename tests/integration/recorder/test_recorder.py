"""The recorder keeps every frame unchanged, and reconnects after a sequence gap."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from support.paper_client import SIGNER, PaperClient, fold, paper_settings, rest_book, running, until
from support.simulated_exchange import metadata
from truebook.bus.memory.bus import MemoryBus
from truebook.capture.manifest import read_manifest
from truebook.capture.market_metadata import capture_metadata
from truebook.capture.reader import read_capture
from truebook.capture.writer import CaptureWriter
from truebook.clock import SystemClock
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.stream.connection import WebsocketConnector
from truebook.messages.envelope import Source
from truebook.runtime.context import Context
from truebook.runtime.metrics import Metrics
from truebook_services.recorder.recording import Recording
from truebook_services.recorder.service import build
from truebook_services.recorder.settings import RecorderSettings


@asynccontextmanager
async def recorder(client: PaperClient, folder: Path, **changes: Any) -> AsyncIterator[Recording]:
    """Record into ``folder`` while entered."""
    settings = RecorderSettings(**({"refresh_s": 0.2} | changes))
    clock = SystemClock()
    context = Context(
        service="recorder", account="sim-main", strategy="main", source=Source.SIMULATED, clock=clock,
        bus=MemoryBus(), metrics=Metrics("recorder"), log=structlog.get_logger(),
    )  # fmt: skip
    url = client.exchange.url
    rest = HttpRestClient(f"{url}/trade-api/v2", SIGNER, clock)
    connector = WebsocketConnector(f"ws{url.removeprefix('http')}/trade-api/ws/v2", SIGNER, clock)
    stop = asyncio.Event()
    with CaptureWriter(folder, source=Source.SIMULATED, hosts=(url,)) as writer:
        recording = Recording(context, settings, rest, connector, writer)
        await recording.refresh()
        running_service = asyncio.create_task(build(context, settings, recording=recording).run(stop))
        try:
            yield recording
        finally:
            stop.set()
            await running_service
            await rest.aclose()


def frames_of(folder: Path) -> list[dict[str, Any]]:
    return [{"connection": one.connection, **json.loads(one.text)} for one in read_capture(folder)]


async def test_recorded_books_equal_the_exchanges_books(tmp_path: Path) -> None:
    async with running(paper_settings()) as client:
        ticker = (await client.two_sided())["ticker"]
        async with recorder(client, tmp_path / "r") as recording:
            frames_before = recording.frames
            await until(lambda: recording.frames > frames_before + 60)
            book = rest_book(await client.get(f"/markets/{ticker}/orderbook"))
    frames = frames_of(tmp_path / "r")
    assert any(fold(frames[:end], ticker) == book for end in range(len(frames), 0, -1))
    assert {"subscribed", "orderbook_snapshot", "orderbook_delta"} <= {frame["type"] for frame in frames}
    times = [one.at_us for one in read_capture(tmp_path / "r")]
    assert times == sorted(times)
    assert read_manifest(tmp_path / "r").complete
    metadata_by_ticker = {one.ticker: one for one in capture_metadata(tmp_path / "r")}
    assert not metadata_by_ticker[ticker].assumed


@pytest.mark.parametrize("fault", ["sequence_gap", "sequence_restart"])
async def test_lost_frames_lead_to_fresh_snapshots(tmp_path: Path, fault: str) -> None:
    async with running(paper_settings(faults=(f"{fault}@t=1",))) as client:
        await client.two_sided()
        async with recorder(client, tmp_path / "r") as recording:
            await until(lambda: recording.reconnections == 1)
            frames_before = recording.frames
            await until(lambda: recording.frames > frames_before + 20)
            followed = set(recording.followed)
    frames = frames_of(tmp_path / "r")
    assert {frame["connection"] for frame in frames} == {0, 1}
    refreshed = {
        frame["msg"]["market_ticker"]
        for frame in frames
        if frame["connection"] == 1 and frame["type"] == "orderbook_snapshot"
    }
    assert refreshed == followed


async def test_only_selected_markets_are_recorded_up_to_the_limit(tmp_path: Path) -> None:
    async with running(paper_settings()) as client:
        ticker = (await client.two_sided())["ticker"]
        async with recorder(client, tmp_path / "one", tickers=(ticker,)) as one:
            await until(lambda: one.frames > 3)
        async with recorder(client, tmp_path / "three", max_markets=3) as three:
            await until(lambda: three.frames > 10)
    books = [frame for frame in frames_of(tmp_path / "one") if frame["type"].startswith("orderbook")]
    assert {frame["msg"]["market_ticker"] for frame in books} == {ticker}
    assert len(capture_metadata(tmp_path / "three")) == len(three.followed) == 3


async def test_a_market_that_opens_later_is_added(tmp_path: Path) -> None:
    async with running(paper_settings(markets=3)) as client, recorder(client, tmp_path / "r") as recording:
        await until(lambda: recording.frames > 5)
        now_us = client.exchange.now_us()
        later = metadata("SIMTEST-9-Z", event="SIMTEST-9", open_us=now_us - 1, close_us=now_us + 3_600_000_000)
        engine: Any = client.exchange.state.engine
        engine.lifecycle.add_market(later, now_us)
        await until(lambda: later.ticker in recording.followed)
        await until(lambda: _is_subscribed(client, later.ticker))
    assert later.ticker in {one.ticker for one in capture_metadata(tmp_path / "r")}
    snapshots = [frame for frame in frames_of(tmp_path / "r") if frame["type"] == "orderbook_snapshot"]
    assert snapshots[-1]["msg"]["market_ticker"] == later.ticker


def _is_subscribed(client: PaperClient, ticker: str) -> bool:
    return any(
        ticker in subscription.listed() and ticker not in subscription.first_data_due_us
        for session in client.exchange.hub.sessions
        for subscription in session.subscriptions.all()
        if subscription.channel == "orderbook_delta"
    )
