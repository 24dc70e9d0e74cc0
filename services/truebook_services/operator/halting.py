"""Halts systems that run on this machine: by their API, or on their ledger where a process does not respond."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from truebook.bus.port import BusError
from truebook.kalshi.hosts import KeyRefused
from truebook.kalshi.port import ExchangeError
from truebook.ledger.port import LedgerError
from truebook.ledger.redis.bundled import running_server
from truebook.ledger.redis.store import RedisStore
from truebook.runtime.settings import SettingsError, TruebookSettings
from truebook_services.operator.access import read_access
from truebook_services.operator.client import HttpOperator
from truebook_services.operator.connect import open_operator
from truebook_services.operator.holds import halt_trading
from truebook_services.operator.port import (
    AfterHalt,
    HaltAllResult,
    HaltResult,
    NotResponding,
    NotRunning,
    OperatorError,
    OthersRun,
)
from truebook_services.operator.run_files import LEDGER
from truebook_services.operator.systems import RunningSystem

KAFKA: Final = "services over Kafka"
"""Their name in the result of a halt of everything."""


async def halt_configured(
    settings: TruebookSettings, running: Sequence[RunningSystem], *, keep_orders: bool
) -> HaltResult:
    """Halt what these settings select; ``running`` is all that runs on this machine.

    Raises ``OthersRun`` where the selected account is idle while another system runs: holding an idle ledger would
    look like a halt of that system. The result names the other systems.
    """
    folder = settings.state_path.resolve()
    mine = next((each for each in running if each.folder == folder), None)
    uses_kafka = settings.kafka_servers is not None
    others = tuple(str(each) for each in running if each is not mine and not (uses_kafka and each.is_service))
    if mine is None and not uses_kafka and others:
        raise OthersRun(f"nothing runs in {folder}", others)
    if mine is not None:
        result = await halt_system(mine, keep_orders=keep_orders)
    else:
        async with open_operator(settings) as operator:
            result = await operator.halt(keep_orders=keep_orders)
    return msgspec.structs.replace(result, still_running=others) if others else result


async def halt_all(
    settings: TruebookSettings | None, running: Sequence[RunningSystem], *, keep_orders: bool
) -> HaltAllResult:
    """Halt every system; one that fails does not keep the others from it. Raises ``NotRunning`` if there is none.

    ``settings`` select services over Kafka; None where they are invalid.
    """
    halted: dict[str, HaltResult] = {}
    failed: dict[str, str] = {}
    uses_kafka = settings is not None and settings.kafka_servers is not None
    for each in running:
        if each.is_service and uses_kafka:
            continue  # halted below
        try:
            halted[str(each)] = await halt_system(each, keep_orders=keep_orders)
        except (OperatorError, LedgerError) as error:
            failed[str(each)] = str(error)
    if settings is not None and uses_kafka:
        try:
            async with open_operator(settings) as operator:
                halted[KAFKA] = await operator.halt(keep_orders=keep_orders)
        except (OperatorError, LedgerError, SettingsError, KeyRefused, BusError, ExchangeError, OSError) as error:
            failed[KAFKA] = str(error)
    if not halted and not failed:
        raise NotRunning(
            "no system runs on this machine", "`truebook halt` without --all places the hold on the ledger"
        )
    return HaltAllResult(halted=halted, failed=failed)


async def halt_system(system: RunningSystem, *, keep_orders: bool) -> HaltResult:
    """Halt one system; raises ``OperatorError`` with what to do where that is not certain."""
    if system.is_service:
        raise OperatorError(
            f"{system} runs over Kafka", "halt it with its own TRUEBOOK_KAFKA_SERVERS and TRUEBOOK_REDIS_URL set"
        )
    if system.folder is None:
        raise OperatorError(f"{system} can't be inspected", f"run the halt as {system.user} or as root")
    if not system.is_frozen:
        async with HttpOperator.of_folder(system.folder) as operator:
            if operator is not None:
                return await operator.halt(keep_orders=keep_orders)
    return await _halt_ledger(system, system.folder, keep_orders=keep_orders)


async def _halt_ledger(system: RunningSystem, folder: Path, *, keep_orders: bool) -> HaltResult:
    """Place the hold on the ledger of a process whose API can't be called. Its ``execution`` cancels the orders.

    Raises ``NotResponding`` where the process can't do that now.
    """
    kill = f"`kill -9 {system.pid}` ends it; resting orders then expire within seconds"
    url = running_server(folder / LEDGER)
    if url is None:
        raise NotResponding(f"{system} does not respond, and its ledger is not in its folder: NOT HALTED", kill)
    ledger = await RedisStore.connect(url, folder.name.rpartition("-")[0])
    try:
        result = await halt_trading(
            ledger, None, keep_orders=keep_orders, otherwise=AfterHalt.LEFT_TO_EXECUTION
        )  # fmt: skip
    finally:
        await ledger.aclose()
    if system.is_frozen:
        raise NotResponding(
            f"trading is halted in the ledger, but {system} is frozen by a signal, so no order was cancelled",
            f"`kill -CONT {system.pid}` lets it continue, halted, and cancel its orders; {kill}",
        )
    if read_access(folder) is not None:
        raise NotResponding(
            f"trading is halted in the ledger, but {system} does not respond: its orders may still rest",
            f"repeat the halt; {kill}",
        )
    return result
