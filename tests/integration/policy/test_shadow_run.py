"""A shadow run beside the active model: it reports, never publishes, and never disturbs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from support.metrics import counted
from support.onnx_files import onnx_bytes
from support.policy_harness import PolicyHarness, row
from support.samples import samples
from support.services import until
from truebook.backtest.paper.account import PaperAccount
from truebook.backtest.paper.report import ShadowReport, read_report, write_report
from truebook.backtest.paper.session import PaperSession
from truebook.clock import ScaledClock
from truebook.messages.codec import encode
from truebook.messages.topics import MARKETS, ORDERBOOK
from truebook.models.errors import ModelRefused
from truebook.models.history import ModelVersion
from truebook.models.pointer import Pointer
from truebook.models.session import Model
from truebook_services.cli.model_comparison import print_comparison
from truebook_services.policy import shadow
from truebook_services.policy.settings import PolicySettings
from truebook_services.policy.shadow import Budget

SETTINGS = PolicySettings(registry_poll_s=0.01, shadow_report_s=0.01)


def report_of(harness: PolicyHarness) -> ShadowReport | None:
    return read_report(harness.registry.folder, harness.registry.pointer())


async def test_a_shadow_is_set_reported_and_removed_while_running(tmp_path: Path) -> None:
    async with PolicyHarness(tmp_path, SETTINGS) as harness:
        await harness.publish(row("T-1", harness.context.clock.now_us()))
        await harness.actions(1)
        assert report_of(harness) is None
        harness.registry.set_shadow("small")
        await until(lambda: report_of(harness) is not None, "a report")
        await harness.publish(row("T-1", harness.context.clock.now_us(), 1))
        await until(lambda: (found := report_of(harness)) is not None and found.compared == 1, "a compared decision")
        found = report_of(harness)
        assert found is not None
        assert (found.active.model.name, found.shadow.decided.batches, found.error) == ("maker", 1, "")
        assert [each.queue for each in found.shadow.accounts] == ["pessimistic", "realistic", "optimistic"]
        assert [action.model for action in await harness.actions(2)] == ["maker", "maker"]
        harness.registry.remove_shadow()
        await until(lambda: report_of(harness) is None, "no shadow")


async def test_an_error_of_the_shadow_run_ends_only_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> int:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(PaperSession, "take", fail)
    async with PolicyHarness(tmp_path, SETTINGS) as harness:
        harness.registry.set_shadow("small")
        await until(lambda: report_of(harness) is not None, "a report")
        for topic, name in ((MARKETS, "markets.market_updated"), (ORDERBOOK, "orderbook.book_snapshot")):
            message = samples()[name]
            await harness.context.bus.publish_many(topic, [(message.ticker, encode(message))])
        await until(lambda: (found := report_of(harness)) is not None and found.error, "the error is reported")
        found = report_of(harness)
        assert found is not None
        assert found.error == "ZeroDivisionError: a bug"
        await harness.publish(row("T-1", harness.context.clock.now_us()))
        assert (await harness.actions(1))[0].model == "maker"
        assert counted(harness.context.metrics, "policy_alarms") == 0
        assert counted(harness.context.metrics, "model_rollbacks") == 0


@pytest.mark.parametrize("broken", ["__init__", "results"])
async def test_broken_paper_accounts_end_only_the_shadow_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*arguments: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(PaperSession, broken, fail)
    async with PolicyHarness(tmp_path, SETTINGS) as harness:
        harness.registry.set_shadow("small")
        await until(lambda: (found := report_of(harness)) is not None and found.error, "the error is reported")
        found = report_of(harness)
        assert found is not None
        assert (found.error, found.shadow.accounts, found.shadow.band_micros) == ("ZeroDivisionError: a bug", (), None)
        print_comparison(found)
        await harness.publish(row("T-1", harness.context.clock.now_us()))
        assert (await harness.actions(1))[0].model == "maker"


async def test_an_ended_run_goes_on_reporting_and_begins_again_if_set_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(PaperSession, "advance", fail)
    async with PolicyHarness(tmp_path, SETTINGS) as harness:
        harness.registry.set_shadow("small")
        await until(lambda: (found := report_of(harness)) is not None and found.error, "the error is reported")
        first = report_of(harness)
        assert first is not None
        await until(
            lambda: (found := report_of(harness)) is not None and found.reported_us > first.reported_us, "again"
        )
        again = report_of(harness)
        assert again is not None
        assert (again.error, again.until_us) == (first.error, first.until_us)
        monkeypatch.undo()
        harness.registry.remove_shadow()
        harness.registry.set_shadow("small")
        assert report_of(harness) is None, "of the earlier run"
        await until(lambda: (found := report_of(harness)) is not None and not found.error, "a new run")


async def test_a_run_on_recorded_times_is_reported(tmp_path: Path) -> None:
    clock = ScaledClock(1_000_000_000, 1)  # of a recording, years before the operator's
    async with PolicyHarness(tmp_path, SETTINGS, clock) as harness:
        harness.registry.set_shadow("small")
        await until(lambda: report_of(harness) is not None, "a report")


async def test_a_new_active_model_begins_the_comparison_again(tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(onnx_bytes())
    async with PolicyHarness(tmp_path, SETTINGS) as harness:
        harness.registry.set_shadow("small")
        await until(lambda: report_of(harness) is not None, "a report")
        harness.registry.activate("mine")
        assert report_of(harness) is None, "the report is on another active model"
        await until(lambda: (found := report_of(harness)) is not None and found.active.model.name == "mine", "again")


def test_a_budget_is_a_share_of_each_second() -> None:
    budget = Budget(0.25)
    assert budget.allows(0)
    budget.spend(250_000)
    assert not budget.allows(999_999)
    assert budget.allows(1_000_000)
    assert not budget.allows(1_000_000, 0)


def test_what_a_budget_was_exceeded_by_is_missing_in_the_next_seconds() -> None:
    budget = Budget(0.25)
    assert budget.allows(5_000_000)
    budget.spend(600_000)
    assert not budget.allows(6_000_000)
    assert budget.allows(7_000_000)
    assert budget.allows(99_000_000)


async def test_paper_accounts_wait_while_the_share_of_time_is_used_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepped: list[int] = []
    monkeypatch.setattr(PaperAccount, "step", lambda *arguments: stepped.append(arguments[1]))
    settings = SETTINGS.model_copy(update={"max_shadow_share": 1e-9})
    async with PolicyHarness(tmp_path, settings) as harness:
        harness.registry.set_shadow("small")
        await until(lambda: report_of(harness) is not None, "a report")
        first = report_of(harness)
        await until(lambda: report_of(harness) != first, "another report")
    assert not stepped


async def test_a_shadow_is_loaded_and_reported_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_loop: dict[str, list[bool]] = {"version": [], "write_report": []}

    def watched(name: str, do: Any) -> Any:
        def call(*arguments: Any) -> Any:
            on_loop[name].append(threading.current_thread() is threading.main_thread())
            return do(*arguments)

        return call

    async with PolicyHarness(tmp_path, SETTINGS) as harness:
        monkeypatch.setattr(harness.registry, "version", watched("version", harness.registry.version))
        monkeypatch.setattr(shadow, "write_report", watched("write_report", write_report))
        await harness.publish(row("T-1", harness.context.clock.now_us()))
        await harness.actions(1)
        on_loop["version"].clear()
        version = harness.registry.version
        shadows: list[bool] = []

        def load(wanted: ModelVersion) -> Model:
            if wanted.name == "small":
                shadows.append(threading.current_thread() is threading.main_thread())
            return version(wanted)

        monkeypatch.setattr(harness.registry, "version", load)
        harness.registry.set_shadow("small")
        await until(lambda: report_of(harness) is not None, "a report")
        assert shadows == [False], "loaded once"
    assert on_loop["write_report"]
    assert not any(on_loop["write_report"])


async def test_a_refused_shadow_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    polls: list[int] = []
    loads: list[str] = []
    async with PolicyHarness(tmp_path, SETTINGS) as harness:
        pointer, version = harness.registry.pointer, harness.registry.version

        def read() -> Pointer | None:
            polls.append(1)
            return pointer()

        def load(wanted: ModelVersion) -> Model:
            if wanted.name == "small":
                loads.append(wanted.name)
                raise ModelRefused(wanted.name, ["no operator for it"])
            return version(wanted)

        monkeypatch.setattr(harness.registry, "version", load)
        harness.registry.set_shadow("small")
        monkeypatch.setattr(harness.registry, "pointer", read)
        await until(lambda: bool(loads) and len(polls) > 8, "several polls")
        assert loads == ["small"]
        assert counted(harness.context.metrics, "shadow_failures") == 1
        assert counted(harness.context.metrics, "policy_alarms") == 0, "that alert means that nothing is traded"
