"""A model that fails is rolled back while the policy runs; without an earlier one nothing decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.metrics import counted
from support.onnx_files import onnx_bytes
from support.policy_harness import PolicyHarness, row
from support.services import until
from truebook.bus.port import BusUnavailable, Record
from truebook.clock import ManualClock
from truebook.messages.actions import Action
from truebook.messages.reasons import Reason
from truebook.messages.topics import OBSERVATIONS
from truebook.models import pointer as pointer_module
from truebook.models.errors import ModelFailed
from truebook.models.guard import Breach, BreachKind
from truebook.models.history import HISTORY, Change, ChangeKind, read_changes
from truebook.models.pointer import Failure, InUse, PointerFile
from truebook.models.registry import ModelRegistry
from truebook.models.session import Model
from truebook.runtime.frames import Incoming
from truebook_services.policy.active_model import ActiveModel
from truebook_services.policy.handler import PolicyHandler
from truebook_services.policy.settings import PolicySettings
from truebook_services.policy.shadow import ShadowRun

GUARDED = PolicySettings(registry_poll_s=0.01, max_failures=3)


class Rows:
    """Observations with a number and a market of their own: the first decision about each market is published."""

    def __init__(self, harness: PolicyHarness) -> None:
        self._harness = harness
        self.count = 0

    async def decide(self) -> tuple[str, Reason | None]:
        """Publish one observation; return the model and the reason of its action."""
        self.count += 1
        await self._harness.publish(row(f"T-{self.count}", self._harness.context.clock.now_us(), self.count))
        action = (await self._harness.actions(self.count))[-1]
        return action.model, action.reason


def refuse(*arguments: Any, **options: Any) -> None:
    raise OSError("read-only")


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def broken(harness: PolicyHarness, monkeypatch: pytest.MonkeyPatch, name: str) -> Model:
    """Make each run of a registered model fail."""
    model = harness.registry.load(name)

    def fail(batch: Any) -> Any:
        raise ModelFailed("no numbers")

    monkeypatch.setattr(model, "run", fail)
    return model


async def test_a_failing_model_is_rolled_back_to_the_previous_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.onnx").write_bytes(onnx_bytes())
    harness = PolicyHarness(tmp_path, GUARDED)
    broken(harness, monkeypatch, "mine")
    harness.registry.activate("mine")
    async with harness:
        rows = Rows(harness)
        assert [await rows.decide() for _ in range(3)] == [("test", Reason.INFERENCE_FAILED)] * 3
        assert (await rows.decide())[0] == "maker"
        pointer = harness.registry.pointer()
        assert pointer is not None
        assert pointer.rolled_back is not None
        assert (pointer.active.name, pointer.rolled_back.model.name) == ("maker", "mine")
        assert harness.active.in_use() == InUse(name="maker", rolled_back=pointer.rolled_back)
        assert counted(harness.context.metrics, "model_rollbacks", kind="failures") == 1
    kinds = [(each.kind, each.model and each.model.name) for each in read_changes(tmp_path / HISTORY)]
    assert kinds == [
        (ChangeKind.ACTIVATED, "mine"), (ChangeKind.IN_USE, "mine"),
        (ChangeKind.ROLLED_BACK, "maker"), (ChangeKind.IN_USE, "maker"),
    ]  # fmt: skip


async def test_without_an_earlier_model_nothing_decides_until_an_activation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = PolicyHarness(tmp_path, GUARDED)
    broken(harness, monkeypatch, "maker")
    async with harness:
        rows = Rows(harness)
        for _ in range(3):
            await rows.decide()
        assert await rows.decide() == ("maker", Reason.MODEL_STOPPED)
        pointer = harness.registry.pointer()
        assert pointer is not None
        assert pointer.stopped is not None
        assert harness.active.in_use() == InUse(name="maker", stopped=pointer.stopped)
        assert counted(harness.context.metrics, "model_rollbacks", kind="failures") == 1
        harness.registry.activate("small")
        await until(lambda: counted(harness.context.metrics, "model_switches") == 1, "small is in use")
        assert (await rows.decide())[0] == "small"
        assert harness.active.in_use() == InUse(name="small")
    uses = [each for each in read_changes(tmp_path / HISTORY) if each.kind is ChangeKind.IN_USE]
    found = [(each.model and each.model.name, each.observation_id) for each in uses]
    assert found == [("maker", "T-1-1"), (None, "T-4-4"), ("small", "T-5-5")]


async def test_a_stopped_model_does_not_decide_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = PolicyHarness(tmp_path, GUARDED)
    broken(harness, monkeypatch, "maker")
    async with harness:
        rows = Rows(harness)
        for _ in range(3):
            await rows.decide()
    again = ActiveModel(harness.context, GUARDED, ModelRegistry(tmp_path))
    assert not again.decides


async def test_a_model_set_by_the_settings_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = PolicyHarness(tmp_path, GUARDED.model_copy(update={"model": "maker"}))
    broken(harness, monkeypatch, "maker")
    async with harness:
        rows = Rows(harness)
        for _ in range(3):
            await rows.decide()
        assert await rows.decide() == ("maker", Reason.MODEL_STOPPED)
        assert harness.registry.pointer() is None
        assert harness.active.in_use().stopped is not None


async def test_a_replay_changes_nothing_in_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.onnx").write_bytes(onnx_bytes())
    harness = PolicyHarness(tmp_path, GUARDED, is_replay=True)
    broken(harness, monkeypatch, "mine")
    harness.registry.activate("mine")
    harness.registry.set_shadow("small")
    before = files_of(tmp_path)
    async with harness:
        rows = Rows(harness)
        for _ in range(3):
            await rows.decide()
        assert await rows.decide() == ("test", Reason.MODEL_STOPPED)
    assert files_of(tmp_path) == before


async def test_a_replay_keeps_the_model_of_its_start(tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(onnx_bytes())
    harness = PolicyHarness(tmp_path, GUARDED, is_replay=True)
    harness.registry.activate("mine")
    (tmp_path / "mine.onnx").write_bytes(onnx_bytes(bias=1.0))
    async with harness:
        started = harness.registry.active().metadata.sha256
        harness.registry.activate("small")
        rows = Rows(harness)
        for _ in range(3):
            await rows.decide()
        assert {each.model_sha256 for each in harness.reader.of(Action)} == {started}


async def test_a_read_only_registry_rolls_back_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.onnx").write_bytes(onnx_bytes())
    harness = PolicyHarness(tmp_path, GUARDED)
    broken(harness, monkeypatch, "mine")
    harness.registry.activate("mine")

    monkeypatch.setattr("truebook.models.pointer.write_atomically", refuse)
    async with harness:
        rows = Rows(harness)
        for _ in range(3):
            await rows.decide()
        assert (await rows.decide())[0] == "maker"
        pointer = harness.registry.pointer()
        assert pointer is not None
        assert pointer.active.name == "mine"
        in_use = harness.active.in_use()
        assert (in_use.name, in_use.rolled_back and in_use.rolled_back.model.name) == ("maker", "mine")
        await until(lambda: not harness.service.not_ready(), "still ready")
        assert (await rows.decide())[0] == "maker", "the failed model does not return with the next read"


async def test_without_a_writable_registry_a_second_failing_model_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.onnx").write_bytes(onnx_bytes())
    harness = PolicyHarness(tmp_path, GUARDED)
    broken(harness, monkeypatch, "mine")
    broken(harness, monkeypatch, "maker")
    harness.registry.activate("mine")
    write = pointer_module.write_atomically
    monkeypatch.setattr("truebook.models.pointer.write_atomically", refuse)
    async with harness:
        rows = Rows(harness)
        assert [(await rows.decide())[0] for _ in range(6)] == ["test"] * 3 + ["maker"] * 3
        assert await rows.decide() == ("maker", Reason.MODEL_STOPPED)
        reads = counted(harness.context.metrics, "model_switches")
        assert reads == 1, "the first failed model does not return"
        monkeypatch.setattr("truebook.models.pointer.write_atomically", write)
        harness.registry.activate("small")
        await until(lambda: counted(harness.context.metrics, "model_switches") == 2, "small is in use")
        assert (await rows.decide())[0] == "small"


async def test_a_failing_model_is_stopped_while_the_pointer_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.onnx").write_bytes(onnx_bytes())
    harness = PolicyHarness(tmp_path, GUARDED)
    broken(harness, monkeypatch, "mine")
    harness.registry.activate("mine")
    async with harness:
        rows = Rows(harness)
        await rows.decide()
        pointer = (tmp_path / "active.json").read_bytes()
        (tmp_path / "active.json").write_text("{")
        for _ in range(2):
            await rows.decide()
        assert await rows.decide() == ("test", Reason.MODEL_STOPPED)
        (tmp_path / "active.json").write_bytes(pointer)
        await until(lambda: counted(harness.context.metrics, "model_switches") == 1, "the earlier model is in use")
        assert (await rows.decide())[0] == "maker"


async def test_an_activation_counts_whatever_the_clock_of_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command's clock may be behind the policy's."""
    (tmp_path / "mine.onnx").write_bytes(onnx_bytes())
    harness = PolicyHarness(tmp_path, GUARDED)
    model = broken(harness, monkeypatch, "mine")
    operator = ModelRegistry(tmp_path, clock=ManualClock(1_000))
    operator.activate("mine")
    async with harness:
        rows = Rows(harness)
        for _ in range(3):
            await rows.decide()
        assert (await rows.decide())[0] == "maker"
        monkeypatch.setattr(model, "run", harness.registry.load("small").run)
        ModelRegistry(tmp_path, clock=ManualClock(2_000)).activate("mine")
        await until(lambda: counted(harness.context.metrics, "model_switches") == 2, "mine is in use again")
        assert (await rows.decide())[0] == "test"


async def test_a_roll_back_by_another_service_is_followed_and_counted(tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(onnx_bytes())
    harness = PolicyHarness(tmp_path, GUARDED)
    harness.registry.activate("mine")
    async with harness:
        pointer = harness.registry.pointer()
        assert pointer is not None
        failure = Failure(
            model=pointer.active, at_us=1, by="reconciler", breach=Breach(BreachKind.DRAWDOWN, "the profit fell")
        )  # fmt: skip
        PointerFile(tmp_path).roll_back(2, failure)
        await until(
            lambda: counted(harness.context.metrics, "model_rollbacks", kind="drawdown") == 1, "the roll-back is seen"
        )
        assert (await Rows(harness).decide())[0] == "maker"


async def test_a_switch_is_recorded_at_its_first_observation(tmp_path: Path) -> None:
    async with PolicyHarness(tmp_path, GUARDED) as harness:
        rows = Rows(harness)
        await rows.decide()
        harness.registry.activate("small")
        await until(lambda: counted(harness.context.metrics, "model_switches") == 1, "switched")
        await rows.decide()
        await rows.decide()
        actions = harness.reader.of(Action)
    uses: list[Change] = [each for each in read_changes(tmp_path / HISTORY) if each.kind is ChangeKind.IN_USE]
    assert [each.observation_id for each in uses] == ["T-1-1", "T-2-2"]
    shas = {action.observation_id: action.model_sha256 for action in actions}
    assert [shas[each.observation_id] for each in uses] == [each.model and each.model.sha256 for each in uses]


RECORD = Record(topic=OBSERVATIONS, partition=0, offset=0, key="T-1", value=b"")


class Comparisons(ShadowRun):
    """A shadow run that only counts what it is given."""

    def __init__(self) -> None:
        self.count = 0

    def compare(self, *arguments: Any) -> None:
        self.count += 1


async def test_a_batch_that_is_published_again_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = PolicyHarness(tmp_path, GUARDED)
    broken(harness, monkeypatch, "maker")
    active, compared = ActiveModel(harness.context, GUARDED, harness.registry), Comparisons()
    handler = PolicyHandler(harness.context, GUARDED, active, compared)
    batch = [Incoming(RECORD, row("T-1", harness.context.clock.now_us()), lambda: None)]
    publish = harness.context.bus.publish_many

    async def fail(*arguments: Any) -> None:
        raise BusUnavailable("away")

    monkeypatch.setattr(harness.context.bus, "publish_many", fail)
    for _ in range(5):
        with pytest.raises(BusUnavailable):
            await handler.handle(batch)
    monkeypatch.setattr(harness.context.bus, "publish_many", publish)
    for _ in range(2):
        await handler.handle(batch)
        assert active.stopped is None
    await handler.handle(batch)
    assert active.stopped is not None
    count = compared.count
    await handler.handle(batch)
    assert compared.count == count, "a stopped model has no decisions to compare"
