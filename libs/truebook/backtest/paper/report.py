"""What a shadow run has found so far: paper results of the active model and of the shadow over the same time.

Policy writes one report per process to FOLDER/shadow/INSTANCE.json; each covers the markets of that process. ``merged``
adds them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from truebook.decoding import UNREADABLE
from truebook.models.history import ModelVersion
from truebook.models.pointer import Pointer, write_registry_file
from truebook.simulation.recorded.queue import QueueModel

FOLDER = "shadow"
MAX_BEHIND_US: Final = 60_000_000
"""A report that is this much older than the newest one is of a process that has ended."""


class PaperValues(msgspec.Struct, frozen=True, kw_only=True):
    """One paper account. The profit includes open positions at what a sale would bring now; None if not known."""

    queue: QueueModel
    profit_micros: int | None
    max_drawdown_micros: int | None
    """Largest fall of the known profit from its peak; None where several processes are added up."""
    fees_micros: int
    turnover_micros: int
    """What was paid for all contracts, on either leg."""
    fills: int
    orders: int
    unvalued_markets: int


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """How one model decided the live observations. Times are of one batch, in microseconds; None without any."""

    batches: int
    failures: int
    """Batches without a usable output."""
    p50_us: int | None
    p99_us: int | None


class ModelResult(msgspec.Struct, frozen=True, kw_only=True):
    """One model: its paper accounts, one per queue model, and its decisions. No accounts: an error has lost them."""

    model: ModelVersion
    accounts: tuple[PaperValues, ...]
    decided: Decided

    @property
    def band_micros(self) -> tuple[int, int] | None:
        """Return the lowest and the highest profit over the queue models; None while one is not known."""
        known = [each.profit_micros for each in self.accounts if each.profit_micros is not None]
        return (min(known), max(known)) if known and len(known) == len(self.accounts) else None


class ShadowReport(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison since ``since_us``. Both models decided the ``compared`` observations, the ``agreed`` ones alike."""

    since_us: int
    until_us: int
    active: ModelResult
    shadow: ModelResult
    compared: int
    agreed: int
    markets: int
    """Markets that the paper accounts traded on so far."""
    events: int
    """Book changes and trades that they were given."""
    skipped: int
    """Messages and observations left out because the shadow had used its share of time, or the ledger was away."""
    error: str = ""
    """Why the shadow has ended; the active model goes on."""
    processes: int = 1
    set_us: int = 0
    """When the registry's shadow was set: the run's identity, by the operator's clock; 0 for one of the settings."""
    reported_us: int = 0
    """When the report was written; after ``until_us`` where an error has ended the run."""

    @property
    def seconds(self) -> int:
        return max(0, self.until_us - self.since_us) // 1_000_000


def write_report(folder: Path, instance: str, report: ShadowReport) -> None:
    """Replace this process's report; raises ``RegistryReadOnly``, and OSError if the disk is full."""
    write_registry_file(folder / FOLDER / f"{instance}.json", msgspec.json.encode(report))


def read_report(folder: Path, pointer: Pointer | None, *, shadow: str = "") -> ShadowReport | None:
    """Read the reports on the models in use, added up; None if there is none.

    ``shadow`` is the digest of another shadow than the registry's. Reports of earlier shadow runs are left out, and of
    processes that report no more while others do.
    """
    wanted = shadow or ("" if pointer is None or pointer.shadow is None else pointer.shadow.sha256)
    found = []
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            report = msgspec.json.decode(path.read_bytes(), type=ShadowReport)
        except (OSError, *UNREADABLE):
            continue  # of another version, or removed meanwhile
        is_of_active = pointer is None or report.active.model.sha256 == pointer.active.sha256
        is_of_run = pointer is None or report.set_us in (0, pointer.shadow_since_us)
        if report.shadow.model.sha256 == wanted and is_of_active and is_of_run:
            found.append(report)
    if not found:
        return None
    newest_us = max(each.reported_us for each in found)
    return merged([each for each in found if newest_us - each.reported_us <= MAX_BEHIND_US])


def remove_reports(folder: Path) -> None:
    """Remove the reports of earlier shadow runs; raises OSError."""
    for path in (folder / FOLDER).glob("*.json"):
        path.unlink(missing_ok=True)


def merged(reports: Sequence[ShadowReport]) -> ShadowReport:
    """Add up the reports of several processes."""
    first = reports[0]
    if len(reports) == 1:
        return first
    return ShadowReport(
        since_us=min(each.since_us for each in reports), until_us=max(each.until_us for each in reports),
        active=_merged_model([each.active for each in reports]),
        shadow=_merged_model([each.shadow for each in reports]),
        compared=sum(each.compared for each in reports), agreed=sum(each.agreed for each in reports),
        markets=sum(each.markets for each in reports), events=sum(each.events for each in reports),
        skipped=sum(each.skipped for each in reports),
        error="; ".join(sorted({each.error for each in reports if each.error})), processes=len(reports),
        set_us=first.set_us, reported_us=max(each.reported_us for each in reports),
    )  # fmt: skip


def _merged_model(results: Sequence[ModelResult]) -> ModelResult:
    accounts = [each.accounts for each in results]
    return ModelResult(
        model=results[0].model,
        accounts=tuple(_merged_values(each) for each in zip(*accounts, strict=True)) if all(accounts) else (),
        decided=Decided(
            batches=sum(each.decided.batches for each in results),
            failures=sum(each.decided.failures for each in results),
            p50_us=_largest([each.decided.p50_us for each in results]),
            p99_us=_largest([each.decided.p99_us for each in results]),
        ),
    )


def _merged_values(accounts: Sequence[PaperValues]) -> PaperValues:
    profits = [each.profit_micros for each in accounts]
    known = [profit for profit in profits if profit is not None]
    return PaperValues(
        queue=accounts[0].queue, profit_micros=sum(known) if len(known) == len(profits) else None,
        max_drawdown_micros=None, fees_micros=sum(each.fees_micros for each in accounts),
        turnover_micros=sum(each.turnover_micros for each in accounts), fills=sum(each.fills for each in accounts),
        orders=sum(each.orders for each in accounts),
        unvalued_markets=sum(each.unvalued_markets for each in accounts),
    )  # fmt: skip


def _largest(values: Sequence[int | None]) -> int | None:
    return max((each for each in values if each is not None), default=None)
