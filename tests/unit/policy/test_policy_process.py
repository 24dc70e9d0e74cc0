"""Policy as its own process: what it refuses at the start."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.execution_harness import RecordingBus
from support.services import make_context
from truebook.clock import ExchangeClock, ManualClock
from truebook.models.errors import ModelRefused
from truebook_services.policy.__main__ import PolicyProcess, root
from truebook_services.serving.dependencies import Dependencies


async def start(folder: Path, layout: str) -> None:
    settings = PolicyProcess.model_validate(
        {"state_folder": folder, "observation": {"layout": layout, "throttle_ms": 300}}
    )
    clock = ManualClock()
    context = make_context("policy", clock, RecordingBus(partitions=1))
    async with AsyncExitStack() as stack:
        await root(Dependencies(settings, context, ExchangeClock(clock), stack, str))


async def test_a_model_of_the_observations_layout_is_accepted(tmp_path: Path) -> None:
    await start(tmp_path, "m1")


async def test_a_model_of_another_layout_is_refused_with_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused) as refused:
        await start(tmp_path, "c52")
    assert "it was made for layout m1, but the observations have c52" in str(refused.value)
    assert "set TRUEBOOK_OBSERVATION__LAYOUT=m1" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
