"""Start and end of the server."""

from __future__ import annotations

import asyncio
import socket
import stat
import time
from pathlib import Path

import pytest
import structlog

from support.paper_client import PREFIX, paper_settings, running
from truebook.clock import SystemClock
from truebook.kalshi.signing import load_signer
from truebook.runtime.http import PortInUse
from truebook_services.paper_exchange.auth import KeyFileError
from truebook_services.paper_exchange.engine.journal_errors import ExchangeJournalCorrupt, ExchangeJournalInUse
from truebook_services.paper_exchange.server import PaperExchange


async def test_a_port_in_use_is_named_with_a_remedy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"port {port} on 127.0.0.1 is in use: choose another"):
            async with running(paper_settings(tmp_path, port=port)):
                pass


async def test_two_exchanges_cannot_share_a_folder(tmp_path: Path) -> None:
    async with running(paper_settings(tmp_path)):
        with pytest.raises(ExchangeJournalInUse):
            async with running(paper_settings(tmp_path)):
                pass


async def test_a_corrupt_journal_fails_the_start_and_frees_the_folder(tmp_path: Path) -> None:
    async with running(paper_settings(tmp_path)) as client:
        await client.create((await client.two_sided())["ticker"])
    file = tmp_path / "journal.jsonl"
    whole = file.read_bytes()
    file.write_bytes((b"1" if whole.startswith(b"0") else b"0") + whole[1:])
    for _ in range(2):
        with pytest.raises(ExchangeJournalCorrupt, match="line 1"):
            async with running(paper_settings(tmp_path)):
                pass
    file.write_bytes(whole)
    async with running(paper_settings(tmp_path)) as client:
        assert len((await client.get("/portfolio/orders"))["orders"]) == 1


async def test_without_a_key_a_private_key_pair_is_made(tmp_path: Path) -> None:
    exchange = PaperExchange(
        paper_settings(tmp_path, key_id=None, public_key_file=None), SystemClock(), structlog.get_logger()
    )
    await exchange.start()
    try:
        assert exchange.private_key_file is not None
        assert stat.S_IMODE(exchange.private_key_file.stat().st_mode) == 0o600
        assert load_signer(exchange.key_id, exchange.private_key_file).headers("GET", PREFIX, 1)
    finally:
        await exchange.aclose()


async def test_a_key_id_without_a_public_key_is_refused() -> None:
    with pytest.raises(KeyFileError, match="belong together"):
        async with running(paper_settings(public_key_file=None)):
            pass


async def test_it_closes_within_two_seconds_with_readers_connected() -> None:
    async with running(paper_settings()) as client, client.socket() as listener:
        await listener.send("subscribe", channels=["trade"])
        await listener.next()
        started = time.monotonic()
        await client.exchange.aclose()
        assert time.monotonic() - started < 2


async def test_run_returns_once_stop_is_set(tmp_path: Path) -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(PaperExchange(paper_settings(tmp_path), SystemClock(), structlog.get_logger()).run(stop))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(task, 60)


async def test_a_broken_engine_stops_the_server_with_its_error() -> None:
    async with running(paper_settings()) as client:
        ticker = (await client.two_sided())["ticker"]
        engine = client.exchange.state.engine

        def broken(now_us: int) -> None:
            raise ZeroDivisionError("the engine is broken")

        engine.advance = broken  # type: ignore[method-assign, assignment]
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(client.exchange.wait(), 5)
        with pytest.raises(RuntimeError, match="has failed"):
            await client.exchange.state.core.execute([])
        assert ticker
