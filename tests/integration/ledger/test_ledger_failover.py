"""A server that is no longer the primary: connections to it end, and the next ones find the new primary."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import hiredis
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from truebook.ledger.port import LedgerError, StoreUnavailable
from truebook.ledger.redis.bundled import BundledServerError, find_program
from truebook.ledger.redis.lease import RedisLease
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.verbs import NextNumber, OpenAccount

T = TypeVar("T")

READY_WITHIN_S = 10.0
FOUND_WITHIN_S = 3.0
ERRORS = {
    "READONLY You can't write against a read only replica.": 2,
    "LOADING Redis is loading the dataset in memory": 2,
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": 2,
    "CLUSTERDOWN The cluster is down": 2,
    "MISCONF Errors writing to the AOF file: No space left on device": 1,
}
"""Error replies, and how many connections the calls until the first success take."""


class Server:
    """A Valkey of the test's own, on a Unix socket and on a port for its replicas."""

    def __init__(self, folder: Path, name: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.path = folder / f"{name}.sock"
        (folder / name).mkdir()
        try:
            program = find_program()
        except BundledServerError as error:
            pytest.skip(str(error))
        options = ("--port", str(self.port), "--unixsocket", self.path, "--dir", folder / name, "--save", "")
        self._process = subprocess.Popen(
            [program, *options, "--repl-diskless-sync-delay", "0"], stdout=subprocess.DEVNULL
        )  # fmt: skip
        self.admin = Redis(unix_socket_path=str(self.path))

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(READY_WITHIN_S):
            while True:
                try:
                    if await condition():
                        return
                except (RedisError, OSError):
                    pass
                await asyncio.sleep(0.02)

    async def is_up(self) -> bool:
        return bool(await self.admin.ping())

    async def has_synced(self) -> bool:
        return (await self.admin.info("replication")).get("master_link_status") == "up"

    async def stop(self) -> None:
        await self.admin.aclose()
        self._process.kill()
        self._process.wait()


@asynccontextmanager
async def servers(folder: Path) -> AsyncIterator[tuple[Server, Server]]:
    """A primary and its replica, which has all data."""
    first, second = Server(folder, "first"), Server(folder, "second")
    try:
        for server in (first, second):
            await server.until(server.is_up)
        await second.admin.replicaof("127.0.0.1", str(first.port))
        await second.until(second.has_synced)
        yield first, second
    finally:
        await first.stop()
        await second.stop()


async def test_a_demoted_server_is_left_for_the_new_primary(tmp_path: Path) -> None:
    address = tmp_path / "primary.sock"  # in the place of a name that is resolved at each connect
    async with servers(tmp_path) as (first, second):
        address.symlink_to(first.path)
        store = await RedisStore.connect(f"unix://{address}", "failover")
        lease = RedisLease(f"unix://{address}", "failover", name="execution", owner="a", lasts_s=60)
        await store.apply(OpenAccount(balance_micros=1_000))
        assert await lease.take()
        assert await store.apply(NextNumber(name="n")) == 1
        await first.admin.wait(1, 5_000)
        await second.admin.replicaof("no", "one")
        await first.admin.replicaof("127.0.0.1", str(second.port))
        address.unlink()
        address.symlink_to(second.path)
        async with asyncio.timeout(FOUND_WITHIN_S):
            assert await eventually(lambda: store.apply(NextNumber(name="n"))) == 2
            assert await eventually(lease.take)
        assert await second.admin.hget(store.keys["counters"], "n") == b"2"
        await store.aclose()
        await lease.aclose()


@pytest.mark.parametrize("reply", ERRORS, ids=lambda reply: reply.partition(" ")[0])
async def test_only_a_server_that_is_no_primary_ends_a_connection(tmp_path: Path, reply: str) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Fail the scripts of the first connection, or with an error of another kind only the first script."""
        nonlocal connections
        connections += 1
        errors = 1 if ERRORS[reply] == 1 else 1_000 if connections == 1 else 0
        commands = hiredis.Reader()
        while data := await reader.read(65_536):
            commands.feed(data)
            while (command := commands.gets()) is not False:
                is_script = command[0].upper() == b"EVALSHA"
                writer.write(f"-{reply}\r\n".encode() if is_script and errors else b":1\r\n")
                errors -= is_script and errors > 0
        writer.close()

    path = tmp_path / "server.sock"
    server = await asyncio.start_unix_server(serve, path)
    lease = RedisLease(f"unix://{path}", "failover", name="execution", owner="a", lasts_s=60)
    async with asyncio.timeout(FOUND_WITHIN_S):
        assert await eventually(lease.take)
    assert connections == ERRORS[reply]
    await lease.aclose()
    server.close()


async def eventually(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a call while its error allows a retry, as the services do."""
    while True:
        try:
            return await call()
        except LedgerError as error:
            assert isinstance(error, StoreUnavailable), error
        await asyncio.sleep(0.05)
