from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
import structlog

from support.fake_operator import FakeOperator
from support.services import make_context
from truebook.ledger.outcomes import Mode
from truebook.ledger.port import StoreUnavailable
from truebook.runtime.state_folder import FolderInUse
from truebook_services.dashboard.controls import Controls
from truebook_services.operator.port import NotRunning, Operator
from truebook_services.operator.requests import FlattenReport, OpenPosition


class ConnectedOperator:
    """The port behind a connection that can fail."""

    def __init__(self) -> None:
        self.port = FakeOperator()
        self.error: Exception | None = None
        self.changes = 0

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Operator]:
        if self.error is not None:
            raise self.error
        yield self.port

    def changed(self) -> None:
        self.changes += 1


@pytest.fixture
def connected() -> ConnectedOperator:
    return ConnectedOperator()


@pytest.fixture
def controls(connected: ConnectedOperator) -> Controls:
    return Controls(connected.connect, connected.changed, make_context("dashboard").log, lambda: 5)


async def mode(connected: ConnectedOperator) -> Mode:
    return (await connected.port.ledger.view(())).account.mode


async def test_halt_and_resume_report_what_the_port_reports(controls: Controls, connected: ConnectedOperator) -> None:
    outcome = await controls.handle({"control": "halt", "id": "1", "keep_orders": False})
    assert (outcome.ok, outcome.text) == (True, "Trading is halted: all orders are cancelled.")
    assert await mode(connected) is Mode.HALTED
    outcome = await controls.handle({"control": "resume", "id": "2"})
    assert (outcome.ok, outcome.text) == (True, "Released.")
    assert await mode(connected) is Mode.RUNNING
    assert connected.changes == 2


@pytest.mark.parametrize(
    ("closed", "left", "ok"), [(("A",), (), True), ((), (), True), (("A",), ("B",), None), ((), ("B",), False)]
)
async def test_flatten_in_part_is_neither_done_nor_refused(
    controls: Controls, connected: ConnectedOperator, monkeypatch: pytest.MonkeyPatch,
    closed: tuple[str, ...], left: tuple[str, ...], ok: bool | None,
) -> None:  # fmt: skip
    remaining = tuple(OpenPosition(ticker=each, position_centi=-150, cause="there is no ask") for each in left)
    monkeypatch.setattr(
        connected.port,
        "perform",
        AsyncMock(return_value=FlattenReport(closed=closed, remaining=remaining, hold="flatten")),
    )
    outcome = await controls.handle({"control": "flatten", "id": "1"})
    assert outcome.ok is ok
    assert ("Still open: B -1.50: there is no ask." in outcome.text) is bool(left)


async def test_same_id_is_handled_once(controls: Controls, connected: ConnectedOperator) -> None:
    request = {"control": "halt", "id": "1"}
    first, second = await asyncio.gather(controls.handle(request), controls.handle(request))
    third = await controls.handle({"control": "resume", "id": "1"})
    assert first == second == third
    assert connected.port.cancels == 1
    assert await mode(connected) is Mode.HALTED


async def test_failed_cancellation_is_reported_with_its_hint(controls: Controls, connected: ConnectedOperator) -> None:
    connected.port.hangs = True
    outcome = await controls.handle({"control": "halt", "id": "1"})
    assert not outcome.ok
    assert "trading is halted, but not all orders are cancelled" in outcome.text
    assert "orders may still rest" in outcome.hint


async def test_limits_are_set_and_cleared(controls: Controls, connected: ConnectedOperator) -> None:
    assert (await controls.handle({"control": "limits", "id": "1", "changes": {"open_orders": 7}})).ok
    assert (await connected.port.ledger.view(())).account.limits.open_orders == 7
    assert (await controls.handle({"control": "limits", "id": "2", "changes": {"open_orders": None}})).ok
    assert (await connected.port.ledger.view(())).account.limits.open_orders is None


INVALID: list[Any] = [
    None, [], "halt", {}, {"id": "1"}, {"control": "withdraw", "id": "1"}, {"control": "halt"},
    {"control": "halt", "id": "1", "extra": 1}, {"control": "limits", "id": "1", "changes": {"open_orders": "many"}},
    {"control": "limits", "id": "1", "changes": {"open_orders": "7.5"}},
]  # fmt: skip


@pytest.mark.parametrize("request_", INVALID)
async def test_invalid_request_changes_nothing(controls: Controls, connected: ConnectedOperator, request_: Any) -> None:
    outcome = await controls.handle(request_)
    assert not outcome.ok
    assert "invalid" in outcome.text
    assert await mode(connected) is Mode.RUNNING


async def test_lost_system_is_reported(controls: Controls, connected: ConnectedOperator) -> None:
    connected.error = NotRunning("away", "start it")
    outcome = await controls.handle({"control": "halt", "id": "1"})
    assert (outcome.ok, outcome.text, outcome.hint) == (None, "away", "start it")
    connected.error = StoreUnavailable("the ledger is away")
    outcome = await controls.handle({"control": "halt", "id": "2"})
    assert (outcome.ok, outcome.text) == (None, "the ledger is away")
    connected.error = FolderInUse(Path("state"), None)
    outcome = await controls.handle({"control": "halt", "id": "3"})
    assert outcome.ok is None and "is in use" in outcome.text


async def test_each_request_has_an_outcome_whatever_fails(controls: Controls, connected: ConnectedOperator) -> None:
    connected.error = KeyError("an error of another kind")
    with structlog.testing.capture_logs() as logged:
        outcome = await controls.handle({"control": "halt", "id": "1"})
    assert (outcome.id, outcome.ok) == ("1", None)
    assert "KeyError" in outcome.text
    assert [line["event"] for line in logged if line["log_level"] == "error"] == ["operator's request failed"]
    assert connected.changes == 1


@pytest.mark.parametrize("changes", [{"no_such_limit": 1}, {"open_orders": -1}])
async def test_refused_limit_is_reported(controls: Controls, changes: dict[str, int]) -> None:
    outcome = await controls.handle({"control": "limits", "id": "1", "changes": changes})
    assert not outcome.ok
    assert outcome.text
