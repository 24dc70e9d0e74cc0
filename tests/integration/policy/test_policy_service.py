"""Policy on the in-process bus with the shipped models: observations in, actions out, switched while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.fakes_market import Running, TopicReader, context, wait_for
from support.observations import observation
from truebook.clock import ManualClock, SystemClock
from truebook.features.layout import layout
from truebook.messages.actions import Action
from truebook.messages.codec import encode
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason
from truebook.messages.topics import ACTIONS, OBSERVATIONS
from truebook.models.errors import ModelFailed, ModelRefused
from truebook.models.registry import ModelRegistry
from truebook.models.session import Model
from truebook_services.policy.service import build
from truebook_services.policy.settings import PolicySettings

M1 = layout("m1")
FAST = PolicySettings(switch_s=0.01)


def row(ticker: str, confirmed_us: int, number: int = 0) -> Observation:
    return observation(
        id=f"{ticker}-{number}", ticker=ticker, layout="m1", layout_hash=M1.hash,
        features=tuple(0.5 for _ in M1.names), confirmed_us=confirmed_us, close_us=2**53,
    )  # fmt: skip


class World:
    """The policy, its registry in a folder, and a reader of its actions."""

    def __init__(self, folder: Path, settings: PolicySettings = FAST, clock: Any = None) -> None:
        self.context = context("policy", clock=clock or SystemClock())
        self.registry = ModelRegistry(folder)
        self.settings = settings
        self.reader = TopicReader(self.context.bus, ACTIONS)

    async def __aenter__(self) -> World:
        await self.reader.join()
        self.service = build(self.context, self.settings, registry=self.registry)
        self._running = Running(self.service)
        await self._running.__aenter__()
        await wait_for(lambda: not self.service.not_ready(), "policy is ready")
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._running.__aexit__(*raised)

    async def see(self, *rows: Observation) -> None:
        await self.context.bus.publish_many(OBSERVATIONS, [(each.ticker, encode(each)) for each in rows])

    async def actions(self, count: int) -> list[Action]:
        await self.reader.until(lambda: len(self.reader.of(Action)) >= count, f"{count} actions")
        return self.reader.of(Action)


async def test_each_market_of_a_poll_gets_one_action_by_the_default_model(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        now_us = world.context.clock.now_us()
        await world.see(*(row(f"T-{n}", now_us) for n in range(20)))
        actions = await world.actions(20)
        assert {action.ticker for action in actions} == {f"T-{n}" for n in range(20)}
        assert {action.model for action in actions} == {"maker"}
        assert {action.deadline_us for action in actions} == {now_us + 5_000_000}


async def test_an_observation_whose_book_is_too_old_is_dropped_and_counted(tmp_path: Path) -> None:
    clock = ManualClock()
    async with World(tmp_path, clock=clock) as world:
        now_us = clock.now_us()
        await world.see(row("OLD", now_us - 5_000_000), row("NEW", now_us - 4_999_999))
        actions = await world.actions(1)
        await wait_for(lambda: world.context.metrics.total("observations_dropped", reason="deadline"), "dropped")
        assert [action.ticker for action in actions] == ["NEW"]


async def test_the_active_model_is_switched_while_the_service_runs_and_back(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        for number, (switch, name) in enumerate(
            ((lambda: world.registry.activate("small"), "small"), (world.registry.roll_back, "maker")), start=1
        ):
            switch()
            await wait_for(lambda n=number: world.context.metrics.total("model_switches") == n, f"switched to {name}")
            await world.see(row("T-1", world.context.clock.now_us(), number))
            assert (await world.actions(number))[-1].model == name


async def test_a_bad_switch_leaves_the_model_in_use_raises_an_alarm_and_is_told_as_not_ready(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        (tmp_path / "active.json").write_text("{")
        await wait_for(world.service.not_ready, "not ready")
        await world.see(row("T-1", world.context.clock.now_us()))
        assert (await world.actions(1))[0].model == "maker"
        assert world.context.metrics.total("policy_alarms", kind="model_refused") > 0
        (tmp_path / "active.json").unlink()
        await wait_for(lambda: not world.service.not_ready(), "ready again")


async def test_a_model_that_fails_again_and_again_holds_and_the_service_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    model = world.registry.active()

    def fail(batch: Any) -> Any:
        raise ModelFailed("numbers are gone")

    monkeypatch.setattr(model, "run", fail)
    async with world:
        for number in range(3):
            await world.see(row("T-1", world.context.clock.now_us(), number))
            actions = await world.actions(number + 1)
        assert {(action.targets, action.reason) for action in actions} == {((), Reason.MODEL_FAILED)}
        assert world.context.metrics.total("policy_alarms", kind="model_failed") == 3


async def test_a_shadow_model_is_counted_and_never_published(tmp_path: Path) -> None:
    async with World(tmp_path, PolicySettings(model="maker", shadow="small")) as world:
        await world.see(row("T-1", world.context.clock.now_us()))
        assert [action.model for action in await world.actions(1)] == ["maker"]
        await wait_for(lambda: world.context.metrics.total("shadow_decisions") == 1, "the shadow has decided")


async def test_a_model_that_is_named_but_not_there_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="no such model"):
        build(context("policy"), PolicySettings(model="mine"), registry=ModelRegistry(tmp_path))


def test_the_shipped_models_are_made_for_the_default_layout(tmp_path: Path) -> None:
    models: list[Model] = [ModelRegistry(tmp_path).load(name) for name in ("maker", "small")]
    assert {model.layout.hash for model in models} == {M1.hash}
