from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from truebook.kalshi.port import Unreachable
from truebook.ledger.memory_store import MemoryStore
from truebook.runtime.http import PortInUse
from truebook_services.operator.access import FILE, Access, read_access, write_access
from truebook_services.operator.client import AsyncOperatorClient, NotRunning, OperatorClient, OperatorError
from truebook_services.operator.service import serve_operator
from truebook_services.operator.settings import OperatorSettings


class Exchange:
    def __init__(self) -> None:
        self.cancelled = 0
        self.error: Exception | None = None

    async def cancel_all(self) -> None:
        if self.error is not None:
            raise self.error
        self.cancelled += 1


@asynccontextmanager
async def operator(folder: Path, exchange: Exchange, port: int = 0) -> AsyncIterator[tuple[Access, MemoryStore]]:
    ledger = MemoryStore()
    await ledger.open_account(1_000_000, ())

    async def status() -> dict[str, Any]:
        return {"mode": (await ledger.view()).account.mode}

    async with serve_operator(
        OperatorSettings(port=port), status=status, ledger=ledger, cancel_all=exchange.cancel_all, folder=folder
    ) as access:
        yield access, ledger


async def test_a_command_finds_the_api_by_the_folder_and_halts_and_resumes(tmp_path: Path) -> None:
    exchange = Exchange()
    async with operator(tmp_path, exchange):

        def commands() -> list[Any]:
            client = OperatorClient.of_folder(tmp_path)
            assert client is not None
            with client:
                return [client.status(), client.halt(), client.status(), client.resume(), client.status()]

        answers = await asyncio.to_thread(commands)
    assert answers == [
        {"mode": "running"}, {"result": "held", "orders": "cancelled"}, {"mode": "halted"}, {"result": "released"},
        {"mode": "running"},
    ]  # fmt: skip
    assert exchange.cancelled == 1


async def test_event_loops_have_a_client_too(tmp_path: Path) -> None:
    exchange = Exchange()
    async with operator(tmp_path, exchange) as (access, _):
        client = AsyncOperatorClient(access)
        assert await client.halt(keep_orders=True) == {"result": "held", "orders": "kept"}
        assert await client.status() == {"mode": "halted"}
        exchange.error = Unreachable("connection refused")
        with pytest.raises(OperatorError, match="orders may still rest") as refused:
            await client.halt()
        assert refused.value.status == 502
        assert await client.resume() == {"result": "released"}
        await client.aclose()
    gone = AsyncOperatorClient(access)
    with pytest.raises(NotRunning, match="does not answer"):
        await gone.status()
    await gone.aclose()


async def test_the_token_lies_in_a_file_for_its_owner_alone_while_the_api_runs(tmp_path: Path) -> None:
    async with operator(tmp_path, Exchange()) as (access, _):
        assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
        assert read_access(tmp_path) == access
        assert len(access.token) >= 32
        assert access.url.startswith("http://127.0.0.1:")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - short enough to block for


async def test_each_start_has_another_token(tmp_path: Path) -> None:
    async with operator(tmp_path, Exchange()) as (first, _):
        pass
    async with operator(tmp_path, Exchange()) as (second, _):
        assert second.token != first.token
        with pytest.raises(OperatorError, match="token") as refused:
            await AsyncOperatorClient(Access(second.url, first.token, second.pid)).status()
        assert refused.value.status == 401


async def test_a_port_in_use_is_said_and_no_token_is_left(tmp_path: Path) -> None:
    async with operator(tmp_path / "..", Exchange()) as (access, _):
        port = int(access.url.rpartition(":")[2])
        with pytest.raises(PortInUse):
            async with operator(tmp_path, Exchange(), port):
                raise AssertionError("two servers on one port")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - short enough to block for


def test_without_a_file_nothing_runs(tmp_path: Path) -> None:
    assert OperatorClient.of_folder(tmp_path) is None
    (tmp_path / FILE).write_text("{broken")
    assert OperatorClient.of_folder(tmp_path) is None


async def test_the_file_of_a_killed_process_leads_nowhere(tmp_path: Path) -> None:
    async with operator(tmp_path, Exchange()) as (access, _):
        pass
    write_access(tmp_path, access)
    assert await asyncio.to_thread(OperatorClient.of_folder, tmp_path) is None


async def test_a_stranger_on_the_old_port_is_not_taken_for_the_system(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with operator(elsewhere, Exchange()) as (access, _):
        write_access(tmp_path, Access(access.url, "an old token", os.getpid()))
        assert await asyncio.to_thread(OperatorClient.of_folder, tmp_path) is None
        write_access(tmp_path, Access(access.url, access.token, os.getpid() + 1))
        assert await asyncio.to_thread(OperatorClient.of_folder, tmp_path) is None


async def test_a_later_processs_file_is_left_alone(tmp_path: Path) -> None:
    later = Access("http://127.0.0.1:1", "later", 1)
    async with operator(tmp_path, Exchange()):
        write_access(tmp_path, later)
    assert read_access(tmp_path) == later
