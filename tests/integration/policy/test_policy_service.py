"""Policy on the in-process bus with the bundled models: observations in, actions out, switched while it runs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from support.metrics import counted
from support.onnx_files import onnx_bytes
from support.policy_harness import M1, PolicyHarness, row
from support.services import TopicReader, make_context, until
from truebook.clock import ManualClock
from truebook.messages.reasons import Reason
from truebook.messages.refusals import DecisionsCounted
from truebook.messages.topics import OBSERVATIONS, REFUSALS
from truebook.models.errors import ModelFailed, ModelRefused
from truebook.models.history import ModelVersion
from truebook.models.registry import ModelRegistry
from truebook.models.session import Model
from truebook_services.policy.service import GROUP, build
from truebook_services.policy.settings import PolicySettings


async def test_each_market_of_a_poll_gets_one_action_by_the_default_model(tmp_path: Path) -> None:
    async with PolicyHarness(tmp_path) as harness:
        now_us = harness.context.clock.now_us()
        await harness.publish(*(row(f"T-{n}", now_us) for n in range(20)))
        actions = await harness.actions(20)
        assert {action.ticker for action in actions} == {f"T-{n}" for n in range(20)}
        assert {action.model for action in actions} == {"maker"}
        assert {action.deadline_us for action in actions} == {now_us + 5_000_000}


async def test_an_observation_with_an_old_book_is_dropped(tmp_path: Path) -> None:
    clock = ManualClock()
    async with PolicyHarness(tmp_path, clock=clock) as harness:
        now_us = clock.now_us()
        await harness.publish(row("OLD", now_us - 5_000_000), row("NEW", now_us - 4_999_999))
        actions = await harness.actions(1)
        await until(lambda: counted(harness.context.metrics, "observations_dropped", reason="deadline"), "dropped")
        assert [action.ticker for action in actions] == ["NEW"]


async def test_the_model_is_switched_and_rolled_back_while_running(tmp_path: Path) -> None:
    async with PolicyHarness(tmp_path) as harness:
        for number, (switch, name) in enumerate(
            ((lambda: harness.registry.activate("small"), "small"), (harness.registry.roll_back, "maker")), start=1
        ):
            switch()
            await until(lambda n=number: counted(harness.context.metrics, "model_switches") == n, f"switched to {name}")
            await harness.publish(row("T-1", harness.context.clock.now_us(), number))
            assert (await harness.actions(number))[-1].model == name


async def test_a_model_decides_while_the_next_one_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, released = threading.Event(), threading.Event()
    version = ModelRegistry.version

    def slowly(self: ModelRegistry, wanted: ModelVersion) -> Model:
        begun.set()
        assert released.wait(30)
        return version(self, wanted)

    async with PolicyHarness(tmp_path) as harness:
        ModelRegistry(tmp_path).activate("small")  # by another process: it is not loaded here
        monkeypatch.setattr(ModelRegistry, "version", slowly)
        await until(begun.is_set, "it is being loaded")
        await harness.publish(row("T-1", harness.context.clock.now_us(), 1))
        assert (await harness.actions(1))[-1].model == "maker"
        released.set()
        await until(lambda: counted(harness.context.metrics, "model_switches") == 1, "switched")
        await harness.publish(row("T-1", harness.context.clock.now_us(), 2))
        assert (await harness.actions(2))[-1].model == "small"


async def test_an_unusable_active_model_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    async with PolicyHarness(tmp_path) as harness:
        (tmp_path / "active.json").write_text("{")
        await until(harness.service.not_ready, "not ready")
        await harness.publish(row("T-1", harness.context.clock.now_us()))
        assert (await harness.actions(1))[0].model == "maker"
        assert counted(harness.context.metrics, "policy_alarms", kind="model_refused") > 0
        (tmp_path / "active.json").unlink()
        await until(lambda: not harness.service.not_ready(), "ready again")


async def test_a_failing_model_does_not_end_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = PolicyHarness(tmp_path)
    model = harness.registry.active()

    def fail(batch: Any) -> Any:
        raise ModelFailed("no numbers")

    monkeypatch.setattr(model, "run", fail)
    async with harness:
        for number in range(3):
            await harness.publish(row(f"T-{number}", harness.context.clock.now_us()))
            actions = await harness.actions(number + 1)
        assert {(action.targets, action.reason) for action in actions} == {((), Reason.INFERENCE_FAILED)}
        assert counted(harness.context.metrics, "policy_alarms", kind="inference_failed") == 3


async def test_decisions_that_change_nothing_are_counted_and_not_published(tmp_path: Path) -> None:
    """The first one about a market is published; the stop publishes what was counted until then."""
    (tmp_path / "idle.onnx").write_bytes(onnx_bytes())  # equal scores: the lowest action id, which is no action
    harness = PolicyHarness(tmp_path, PolicySettings(model="idle"))
    summaries = TopicReader(harness.context.bus, REFUSALS)
    await summaries.join()
    async with harness:
        for number in range(5):
            await harness.publish(*(row(ticker, harness.context.clock.now_us(), number) for ticker in ("T-1", "T-2")))
            await until(
                lambda n=number: counted(harness.context.metrics, "decisions", reason="no_action") == 2 * n + 2,
                "decided",
            )
    await summaries.read()
    found = summaries.of(DecisionsCounted)
    for ticker in ("T-1", "T-2"):
        of_ticker = [each for each in found if each.ticker == ticker]
        assert sum(each.counts[Reason.NO_ACTION] for each in of_ticker) == 4
        assert of_ticker[-1].cause_id == f"{ticker}-4"
    assert {(each.model, each.reason) for each in found} == {("test", Reason.NO_ACTION)}
    assert [(each.ticker, each.observation_id) for each in await harness.actions(2)] == [
        ("T-1", "T-1-0"), ("T-2", "T-2-0"),
    ]  # fmt: skip


async def test_an_assignment_publishes_the_next_decision_of_each_market(tmp_path: Path) -> None:
    (tmp_path / "idle.onnx").write_bytes(onnx_bytes())
    async with PolicyHarness(tmp_path, PolicySettings(model="idle")) as harness:
        now_us = harness.context.clock.now_us()
        await harness.publish(row("T-1", now_us, 1))
        await harness.actions(1)
        other = await harness.context.bus.consumer(GROUP, (OBSERVATIONS,))  # a second process takes its share
        await other.close()
        for number in (2, 3):
            await harness.publish(row("T-1", now_us, number))
            await until(lambda n=number: counted(harness.context.metrics, "decisions") == n, "decided")
        assert [each.observation_id for each in await harness.actions(2)] == ["T-1-1", "T-1-2"]


async def test_a_shadow_model_is_counted_and_never_published(tmp_path: Path) -> None:
    async with PolicyHarness(tmp_path, PolicySettings(model="maker", shadow="small")) as harness:
        await harness.publish(row("T-1", harness.context.clock.now_us()))
        assert [action.model for action in await harness.actions(1)] == ["maker"]
        await until(lambda: counted(harness.context.metrics, "shadow_decisions") == 1, "the shadow has decided")


async def test_an_unknown_model_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="no such model"):
        build(make_context("policy"), PolicySettings(model="mine"), registry=ModelRegistry(tmp_path))


def test_the_bundled_models_are_made_for_the_default_layout(tmp_path: Path) -> None:
    models: list[Model] = [ModelRegistry(tmp_path).load(name) for name in ("maker", "small")]
    assert {model.layout.hash for model in models} == {M1.hash}
