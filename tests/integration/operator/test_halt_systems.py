"""``truebook halt`` halts what runs, whichever account or market data it has; a failing halt is reported as such."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.fake_operator import FakeOperator
from truebook.kalshi.port import Unreachable
from truebook.ledger.redis.bundled import BundledServer
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.verbs import OpenAccount
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.operator.access import FILE, Access, write_access
from truebook_services.operator.halting import KAFKA, halt_all, halt_configured, halt_system
from truebook_services.operator.port import (
    AfterHalt,
    HaltResult,
    NothingRecorded,
    NotResponding,
    NotRunning,
    OperatorError,
    OthersRun,
)
from truebook_services.operator.run_files import LEDGER
from truebook_services.operator.service import serve_operator
from truebook_services.operator.settings import OperatorSettings
from truebook_services.operator.systems import RunningSystem

HALTED = HaltResult(result="held", orders=AfterHalt.CANCELLED)


def settings(folder: Path, account: str) -> EmbeddedSettings:
    return EmbeddedSettings(state_folder=folder, account=account)


def system_in(folder: Path | None, *, is_frozen: bool = False, is_service: bool = False) -> RunningSystem:
    return RunningSystem(
        pid=os.getpid(), user="me", command="truebook run", folder=folder, is_frozen=is_frozen, is_service=is_service
    )


@asynccontextmanager
async def running(settings: EmbeddedSettings) -> AsyncIterator[tuple[FakeOperator, RunningSystem]]:
    operator = FakeOperator()
    settings.state_path.mkdir(parents=True)
    async with serve_operator(OperatorSettings(), operator, settings.state_path):
        yield operator, system_in(settings.state_path)


@asynccontextmanager
async def ledger_in(folder: Path) -> AsyncIterator[RedisStore]:
    server = await BundledServer.start(folder / LEDGER)
    ledger = await RedisStore.connect(server.url, folder.name.rpartition("-")[0])
    await ledger.apply(OpenAccount(balance_micros=1_000_000))
    try:
        yield ledger
    finally:
        await ledger.aclose()
        await server.stop()


async def test_a_halt_of_an_idle_account_names_what_runs(tmp_path: Path) -> None:
    mine, other = settings(tmp_path, "mine"), settings(tmp_path, "other")
    async with running(other) as (operator, system):
        with pytest.raises(OthersRun, match=r"these systems run: .*other-simulated \(process \d+ of me\).*--all"):
            await halt_configured(mine, [system], keep_orders=False)
        assert operator.cancels == 0
        assert await halt_configured(other, [system], keep_orders=False) == HALTED
        assert operator.cancels == 1
    with pytest.raises(NothingRecorded):
        await halt_configured(mine, [], keep_orders=False)


async def test_a_halt_names_the_systems_that_still_run(tmp_path: Path) -> None:
    service = system_in(None, is_service=True)
    async with running(settings(tmp_path, "a")) as (_, first), running(settings(tmp_path, "b")) as (_, second):
        result = await halt_configured(settings(tmp_path, "a"), [first, second, service], keep_orders=False)
    assert result.result == "held"
    assert result.still_running == (str(second), str(service))


async def test_one_failing_halt_does_not_keep_others_from_it(tmp_path: Path) -> None:
    a, b = settings(tmp_path, "a"), settings(tmp_path, "b")
    async with running(a) as (operator, first), running(b) as (other, second):
        operator.error = Unreachable("connection refused")
        result = await halt_all(a, [first, second], keep_orders=False)
        assert result.halted == {str(second): HALTED}
        assert "orders may still rest" in result.failed[str(first)]
        assert other.cancels == 1


async def test_wrong_kafka_settings_hide_no_halt_of_other_systems(tmp_path: Path) -> None:
    a = settings(tmp_path, "a")
    over_kafka = settings(tmp_path, "b").model_copy(update={"kafka_servers": "127.0.0.1:1", "redis_url": None})
    async with running(a) as (_, system):
        result = await halt_all(over_kafka, [system], keep_orders=False)
    assert result.halted == {str(system): HALTED}
    assert list(result.failed) == [KAFKA]


async def test_without_a_running_system_halt_all_states_so(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="no system runs"):
        await halt_all(settings(tmp_path, "a"), [], keep_orders=False)


@pytest.mark.parametrize(("is_frozen", "advice"), [(True, "kill -CONT"), (False, "repeat the halt")])
async def test_a_process_that_hangs_is_halted_in_its_ledger(tmp_path: Path, is_frozen: bool, advice: str) -> None:
    folder = settings(tmp_path, "main").state_path
    async with ledger_in(folder) as ledger:
        write_access(folder, Access("http://127.0.0.1:1", "token", os.getpid()))
        with pytest.raises(NotResponding, match=f"trading is halted in the ledger.*{advice}"):
            await halt_system(system_in(folder, is_frozen=is_frozen), keep_orders=False)
        assert (await ledger.view(())).account.mode == "halted"


async def test_a_torn_access_file_is_no_obstacle(tmp_path: Path) -> None:
    folder = settings(tmp_path, "main").state_path
    async with ledger_in(folder) as ledger:
        (folder / FILE).write_text('{"url":"http')
        result = await halt_system(system_in(folder), keep_orders=False)
        assert result == HaltResult(result="held", orders=AfterHalt.LEFT_TO_EXECUTION)
        assert (await ledger.view(())).account.mode == "halted"


@pytest.mark.parametrize(
    ("system", "cause"),
    [
        (system_in(None), "run the halt as me or as root"),
        (system_in(None, is_service=True), "TRUEBOOK_KAFKA_SERVERS"),
        (system_in(Path("nowhere-simulated")), "NOT HALTED.*kill -9"),
    ],
    ids=["another user's", "a service", "without a ledger"],
)
async def test_a_system_that_can_not_be_halted_is_an_error(system: RunningSystem, cause: str) -> None:
    with pytest.raises(OperatorError, match=cause):
        await halt_system(system, keep_orders=False)
