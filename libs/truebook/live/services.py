"""The newest report of each process of each service, and whether it is overdue."""

from __future__ import annotations

from typing import Final

from truebook.live.system_views import ServiceRow, ServiceState
from truebook.messages.services import ServiceReported

MAX_PROCESSES: Final = 200
KEEP_PAST_US: Final = 3_600_000_000
"""How long a process that has ended is listed beside others of its service that work, unless one has replaced it."""


class _Process:
    """The newest report, and the state that was last seen."""

    __slots__ = ("report", "since_us", "state")

    def __init__(self, report: ServiceReported, state: ServiceState) -> None:
        self.report = report
        self.state = state
        self.since_us = report.produced_us


class LiveServices:
    """By service and instance: the processes that have reported."""

    def __init__(self) -> None:
        self._processes: dict[tuple[str, str], _Process] = {}

    def take(self, report: ServiceReported) -> tuple[ServiceState | None, ServiceState]:
        """Use a report; return the state before, None if there was none, and the state that it reports."""
        key, state = (report.service, report.instance), reported_state(report)
        known = self._processes.get(key)
        if known is None:
            self._processes[key] = _Process(report, state)
            if len(self._processes) > MAX_PROCESSES:
                del self._processes[min(self._processes, key=lambda each: self._processes[each].report.produced_us)]
            return None, state
        before, known.report = known.state, report
        if state is not before:
            known.state, known.since_us = state, report.produced_us
        return before, state

    def fallen_silent(self, now_us: int) -> list[ServiceReported]:
        """Return the newest reports of the processes whose report has become overdue since the last call."""
        silent = []
        for process in self._processes.values():
            is_over = process.state in (ServiceState.SILENT, ServiceState.STOPPED)
            if not is_over and now_us > process.report.valid_us:
                process.state, process.since_us = ServiceState.SILENT, process.report.valid_us
                silent.append(process.report)
        return silent

    def rows(self, now_us: int) -> tuple[ServiceRow, ...]:
        """Return all processes by service; one that has ended is left out once another one has replaced it."""
        self.fallen_silent(now_us)
        self._drop_past(now_us)
        return tuple(_row(process) for _, process in sorted(self._processes.items()))

    def model(self) -> tuple[str | None, str | None]:
        """Return the model in use by the newest report of a service that works: its name and digest."""
        users = [
            process.report for process in self._processes.values()
            if process.report.model is not None and process.state is not ServiceState.STOPPED
        ]  # fmt: skip
        newest = max(users, key=lambda report: report.produced_us, default=None)
        return (None, None) if newest is None else (newest.model, newest.model_sha256)

    def _drop_past(self, now_us: int) -> None:
        past = (ServiceState.STOPPED, ServiceState.SILENT)
        started: dict[str, int] = {}
        for (service, _), process in self._processes.items():
            if process.state not in past:
                started[service] = max(process.report.started_us, started.get(service, 0))
        for (service, instance), process in list(self._processes.items()):
            if process.state in past and service in started:
                is_replaced = started[service] >= process.report.produced_us
                if is_replaced or now_us - process.since_us > KEEP_PAST_US:
                    del self._processes[service, instance]


def reported_state(report: ServiceReported) -> ServiceState:
    """Return the state that a report states."""
    if report.stopped:
        return ServiceState.STOPPED
    if report.not_ready:
        return ServiceState.NOT_READY
    return ServiceState.STANDBY if report.standby else ServiceState.WORKS


def _row(process: _Process) -> ServiceRow:
    report = process.report
    return ServiceRow(
        service=report.service, instance=report.instance, version=report.version, state=process.state,
        since_us=process.since_us, started_us=report.started_us, reported_us=report.produced_us,
        not_ready=report.not_ready, lag=report.lag, gauges=report.gauges, model=report.model,
    )  # fmt: skip
