"""The operator's API on a socket, its access file, and the client that finds it by the state folder."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.fake_operator import FakeOperator
from truebook.kalshi.port import Unreachable
from truebook.ledger.verbs import OpenAccount
from truebook.runtime.http import PortInUse
from truebook_services.operator.access import FILE, Access, read_access, write_access
from truebook_services.operator.client import HttpOperator
from truebook_services.operator.port import (
    AfterHalt,
    CancelFailed,
    HaltResult,
    NotRunning,
    OperatorError,
)  # fmt: skip
from truebook_services.operator.service import serve_operator
from truebook_services.operator.settings import OperatorSettings


@asynccontextmanager
async def serving(folder: Path, operator: FakeOperator, port: int = 0) -> AsyncIterator[Access]:
    async with serve_operator(OperatorSettings(port=port), operator, folder) as access:
        yield access


async def is_running(folder: Path) -> bool:
    async with HttpOperator.of_folder(folder) as client:
        return client is not None


async def test_a_client_finds_the_api_by_the_folder_halts_and_resumes(tmp_path: Path) -> None:
    operator = FakeOperator()
    await operator.ledger.apply(OpenAccount(balance_micros=1_000_000))
    async with serving(tmp_path, operator), HttpOperator.of_folder(tmp_path) as client:
        assert client is not None
        before = await client.status()
        assert (before.mode, before.deposits_micros) == ("running", 1_000_000)
        assert await client.halt() == HaltResult(result="held", orders=AfterHalt.CANCELLED)
        assert (await client.status()).mode == "halted"
        assert (await client.why("T")).holds == ("operator (halted, by operator)",)
        assert (await client.resume()).result == "released"
        assert (await client.status()).mode == "running"
    assert operator.cancels == 1


async def test_errors_keep_their_kind_over_http(tmp_path: Path) -> None:
    operator = FakeOperator()
    async with serving(tmp_path, operator) as access:
        client = HttpOperator(access)
        operator.error = Unreachable("connection refused")
        with pytest.raises(CancelFailed, match="orders may still rest"):
            await client.halt()
        assert (await client.halt(keep_orders=True)).orders is AfterHalt.KEPT
    with pytest.raises(NotRunning, match="does not respond"):
        await client.status()
    await client.aclose()


async def test_the_token_is_in_a_file_for_its_owner_only(tmp_path: Path) -> None:
    async with serving(tmp_path, FakeOperator()) as access:
        assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
        assert read_access(tmp_path) == access
        assert len(access.token) >= 32
        assert access.url.startswith("http://127.0.0.1:")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - short enough to block for


async def test_each_start_has_another_token(tmp_path: Path) -> None:
    async with serving(tmp_path, FakeOperator()) as first:
        pass
    async with serving(tmp_path, FakeOperator()) as second:
        assert second.token != first.token
        client = HttpOperator(Access(second.url, first.token, second.pid))
        with pytest.raises(OperatorError, match="token"):
            await client.status()
        await client.aclose()


async def test_a_port_in_use_is_an_error_and_leaves_no_token(tmp_path: Path) -> None:
    async with serving(tmp_path / "..", FakeOperator()) as access:
        port = int(access.url.rpartition(":")[2])
        with pytest.raises(PortInUse):
            async with serving(tmp_path, FakeOperator(), port):
                raise AssertionError("two servers on one port")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - short enough to block for


async def test_without_a_readable_file_nothing_runs(tmp_path: Path) -> None:
    assert not await is_running(tmp_path)
    (tmp_path / FILE).write_text("{broken")
    assert not await is_running(tmp_path)


async def test_the_file_of_a_killed_process_is_ignored(tmp_path: Path) -> None:
    async with serving(tmp_path, FakeOperator()) as access:
        pass
    write_access(tmp_path, access)
    assert not await is_running(tmp_path)


async def test_another_process_on_the_old_port_is_ignored(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with serving(elsewhere, FakeOperator()) as access:
        write_access(tmp_path, Access(access.url, "an old token", os.getpid()))
        assert not await is_running(tmp_path)
        write_access(tmp_path, Access(access.url, access.token, os.getpid() + 1))
        assert not await is_running(tmp_path)


async def test_a_later_processs_file_is_not_removed(tmp_path: Path) -> None:
    later = Access("http://127.0.0.1:1", "later", 1)
    async with serving(tmp_path, FakeOperator()):
        write_access(tmp_path, later)
    assert read_access(tmp_path) == later
