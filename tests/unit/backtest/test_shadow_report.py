"""Reports of several processes on one shadow run: those of ended processes and of other runs are left out."""

from __future__ import annotations

from pathlib import Path

import msgspec

from truebook.backtest.paper.report import Decided, ModelResult, PaperValues, ShadowReport, read_report, write_report
from truebook.models.history import ModelVersion
from truebook.models.pointer import Pointer
from truebook.simulation.recorded.queue import QueueModel

SECOND_US = 1_000_000
SET_US = 1_795_000_000_000_000
ACTIVE, SHADOW = ModelVersion("maker", "a" * 64), ModelVersion("small", "b" * 64)
POINTER = Pointer(active=ACTIVE, shadow=SHADOW, shadow_since_us=SET_US)


def result(model: ModelVersion) -> ModelResult:
    values = PaperValues(
        queue=QueueModel.PESSIMISTIC, profit_micros=1_000_000, max_drawdown_micros=0, fees_micros=0,
        turnover_micros=0, fills=1, orders=1, unvalued_markets=0,
    )  # fmt: skip
    return ModelResult(
        model=model, accounts=(values,), decided=Decided(batches=1, failures=0, p50_us=None, p99_us=None)
    )


def report(*, since_s: int = 0, reported_s: int, set_us: int = SET_US, error: str = "") -> ShadowReport:
    """A report of a run on a recording: its times are not the operator's."""
    return ShadowReport(
        since_us=since_s * SECOND_US, until_us=reported_s * SECOND_US, reported_us=reported_s * SECOND_US,
        active=result(ACTIVE), shadow=result(SHADOW), compared=1, agreed=1, markets=1, events=1, skipped=0,
        error=error, set_us=set_us,
    )  # fmt: skip


def read(folder: Path) -> ShadowReport:
    found = read_report(folder, POINTER)
    assert found is not None
    return found


def test_processes_that_report_are_added_up(tmp_path: Path) -> None:
    write_report(tmp_path, "host-1", report(reported_s=100))
    write_report(tmp_path, "host-2", report(since_s=5, reported_s=103))
    found = read(tmp_path)
    assert (found.processes, found.seconds, found.reported_us) == (2, 103, 103 * SECOND_US)
    assert found.shadow.band_micros == (2_000_000, 2_000_000)


def test_a_process_that_has_ended_is_left_out(tmp_path: Path) -> None:
    write_report(tmp_path, "host-1", report(reported_s=100, error="ZeroDivisionError: a bug"))
    assert read(tmp_path).error, "the only one"
    write_report(tmp_path, "host-2", report(since_s=110, reported_s=171))
    found = read(tmp_path)
    assert (found.processes, found.seconds, found.error) == (1, 61, "")
    assert found.shadow.band_micros == (1_000_000, 1_000_000)


def test_reports_of_an_earlier_run_are_left_out(tmp_path: Path) -> None:
    write_report(tmp_path, "host-1", report(reported_s=100, set_us=SET_US - 1))
    assert read_report(tmp_path, POINTER) is None
    write_report(tmp_path, "host-2", report(reported_s=100))
    assert read(tmp_path).processes == 1


def test_accounts_lost_in_one_process_are_not_known_in_all(tmp_path: Path) -> None:
    whole = report(reported_s=100)
    write_report(tmp_path, "host-1", whole)
    lost = msgspec.structs.replace(whole.shadow, accounts=())
    write_report(tmp_path, "host-2", msgspec.structs.replace(whole, shadow=lost, error="a bug"))
    found = read(tmp_path)
    assert (found.shadow.accounts, found.shadow.band_micros, found.error) == ((), None, "a bug")
