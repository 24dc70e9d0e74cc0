from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from support.fake_operator import FakeOperator
from support.services import make_context
from truebook.ledger.outcomes import Mode
from truebook_services.dashboard.controls import Controls
from truebook_services.dashboard.poller import Poller
from truebook_services.operator.port import NotRunning, Operator


class ConnectedPoller:
    """The part of a poller that controls use."""

    def __init__(self) -> None:
        self.port = FakeOperator()
        self.error: Exception | None = None
        self.polls = 0

    @property
    def operator(self) -> Operator:
        if self.error is not None:
            raise self.error
        return self.port

    def poll_soon(self) -> None:
        self.polls += 1


@pytest.fixture
def poller() -> ConnectedPoller:
    return ConnectedPoller()


@pytest.fixture
def controls(poller: ConnectedPoller) -> Controls:
    return Controls(cast(Poller, poller), make_context("dashboard").log, lambda: 5)


async def mode(poller: ConnectedPoller) -> Mode:
    return (await poller.port.ledger.view(())).account.mode


async def test_halt_and_resume_report_what_the_port_reports(controls: Controls, poller: ConnectedPoller) -> None:
    outcome = await controls.handle({"control": "halt", "id": "1", "keep_orders": False})
    assert (outcome.ok, outcome.text) == (True, "Trading is halted: all orders are cancelled.")
    assert await mode(poller) is Mode.HALTED
    outcome = await controls.handle({"control": "resume", "id": "2"})
    assert (outcome.ok, outcome.text) == (True, "Released.")
    assert await mode(poller) is Mode.RUNNING
    assert poller.polls == 2


async def test_same_id_is_handled_once(controls: Controls, poller: ConnectedPoller) -> None:
    request = {"control": "halt", "id": "1"}
    first, second = await asyncio.gather(controls.handle(request), controls.handle(request))
    third = await controls.handle({"control": "resume", "id": "1"})
    assert first == second == third
    assert poller.port.cancels == 1
    assert await mode(poller) is Mode.HALTED


async def test_failed_cancellation_is_reported_with_its_hint(controls: Controls, poller: ConnectedPoller) -> None:
    poller.port.hangs = True
    outcome = await controls.handle({"control": "halt", "id": "1"})
    assert not outcome.ok
    assert "trading is halted, but not all orders are cancelled" in outcome.text
    assert "orders may still rest" in outcome.hint


async def test_limits_are_set_and_cleared(controls: Controls, poller: ConnectedPoller) -> None:
    assert (await controls.handle({"control": "limits", "id": "1", "changes": {"open_orders": 7}})).ok
    assert (await poller.port.ledger.view(())).account.limits.open_orders == 7
    assert (await controls.handle({"control": "limits", "id": "2", "changes": {"open_orders": None}})).ok
    assert (await poller.port.ledger.view(())).account.limits.open_orders is None


INVALID: list[Any] = [
    None, [], "halt", {}, {"id": "1"}, {"control": "withdraw", "id": "1"}, {"control": "halt"},
    {"control": "halt", "id": "1", "extra": 1}, {"control": "limits", "id": "1", "changes": {"open_orders": "many"}},
]  # fmt: skip


@pytest.mark.parametrize("request_", INVALID)
async def test_invalid_request_changes_nothing(controls: Controls, poller: ConnectedPoller, request_: Any) -> None:
    outcome = await controls.handle(request_)
    assert not outcome.ok
    assert "invalid" in outcome.text
    assert await mode(poller) is Mode.RUNNING


async def test_lost_system_is_reported(controls: Controls, poller: ConnectedPoller) -> None:
    poller.error = NotRunning("away", "start it")
    outcome = await controls.handle({"control": "halt", "id": "1"})
    assert (outcome.ok, outcome.text, outcome.hint) == (False, "away", "start it")


@pytest.mark.parametrize("changes", [{"no_such_limit": 1}, {"open_orders": -1}])
async def test_refused_limit_is_reported(controls: Controls, changes: dict[str, int]) -> None:
    outcome = await controls.handle({"control": "limits", "id": "1", "changes": changes})
    assert not outcome.ok
    assert outcome.text
