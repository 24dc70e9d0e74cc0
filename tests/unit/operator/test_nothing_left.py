"""Before the first run the operator's port needs no client, and reports what the search for its files would."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from truebook.runtime.settings import load
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.operator.connect import open_operator
from truebook_services.operator.nothing_left import NothingLeft
from truebook_services.operator.port import NothingRecorded, Operator
from truebook_services.operator.requests import ListOrders
from truebook_services.operator.run_files import EVIDENCE, SUMMARY
from truebook_services.operator.stopped import StoppedOperator

CALLS: dict[str, Callable[[Operator], Awaitable[object]]] = {
    "status": lambda operator: operator.status(),
    "why": lambda operator: operator.why(),
    "halt": lambda operator: operator.halt(),
    "resume": lambda operator: operator.resume(),
    "orders": lambda operator: operator.perform(ListOrders()),
}
PROGRAM = """
import asyncio, json, sys
from truebook.runtime.settings import load
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.operator.connect import open_operator
from truebook_services.operator.port import NothingRecorded

async def status():
    async with open_operator(load(EmbeddedSettings)) as operator:
        try:
            await operator.status()
        except NothingRecorded:
            print(json.dumps([name for name in ("aiohttp", "aiokafka", "httpx", "redis") if name in sys.modules]))

asyncio.run(status())
"""


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another account"])
async def test_errors_are_those_of_a_stopped_system(tmp_path: Path, call: str, beside: bool) -> None:
    if beside:
        (tmp_path / "sim-main-capture").mkdir()
        (tmp_path / "sim-main-capture" / EVIDENCE).write_text("{}")
    settings = load(EmbeddedSettings, state_folder=tmp_path)
    errors = []
    stopped = StoppedOperator(settings)
    for operator in (NothingLeft(settings, lambda: stopped), stopped):
        with pytest.raises(NothingRecorded) as raised:
            await CALLS[call](operator)
        errors.append((raised.value.problem, raised.value.hint))
    assert errors[0] == errors[1]


async def test_what_a_run_left_is_opened(tmp_path: Path) -> None:
    settings = load(EmbeddedSettings, state_folder=tmp_path)
    async with open_operator(settings) as operator:
        assert isinstance(operator, NothingLeft)
    settings.state_path.mkdir(parents=True)
    (settings.state_path / SUMMARY).write_text("{}")
    async with open_operator(settings) as operator:
        assert isinstance(operator, StoppedOperator)


def test_no_client_is_imported(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60
    )
    assert json.loads(done.stdout) == []
