"""Reports of services about themselves on the topic ``services``: every few seconds, and when readiness changes."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import truebook
from truebook.bus.port import BusError
from truebook.clock import MICROS
from truebook.messages.codec import encode
from truebook.messages.services import ServiceReported
from truebook.messages.topics import SERVICES
from truebook.runtime.consumer import Consumer
from truebook.runtime.context import Context
from truebook.runtime.frames import Service
from truebook.runtime.retry import pause
from truebook.runtime.standby import Standby

CHECK_S: Final = 0.5
"""Interval between checks of readiness."""
REPORT_EVERY_US: Final = 5 * MICROS
VALID_US: Final = 16 * MICROS
"""Three reports may be lost before a service counts as silent."""
REPORTED: Final = {
    "open_breakers": ("open_breakers", 1),
    "throttled_sides": ("throttled_sides", 1),
    "rate_budget_ratio": ("rate_budget_ppm", 1_000_000),
    "books": ("books", 1),
    "books_not_fresh": ("books_not_fresh", 1),
    "oldest_book_seconds": ("oldest_book_us", MICROS),
    "unknown_orders": ("unknown_orders", 1),
    "order_events_queued": ("order_events_queued", 1),
    "selected_markets": ("selected_markets", 1),
    "stopped_models": ("stopped_models", 1),
    "clock_offset_seconds": ("clock_offset_us", MICROS),
    "ledger_differences": ("differences", 1),
}
"""Gauge → its name in a report, which has the unit, and the factor from the gauge's unit to it."""


class Reported(NamedTuple):
    """A service of this process, in one or more parts; without any it waits for ``waiting_for``."""

    name: str
    parts: Sequence[Service]
    waiting_for: str = ""


class ServiceReports:
    """A frame that reports on the services of this process. A report that can't be published is left out."""

    def __init__(self, context: Context, instance: str, services: Callable[[], Sequence[Reported]]) -> None:
        self.name = "service reports"
        self._context = context
        self._instance = instance
        self._services = services
        self._started_us = context.clock.now_us()
        self._due_us = 0
        self._is_failing = False
        self._known: dict[str, tuple[object, ...]] = {}

    def not_ready(self) -> str | None:
        """Return None: no service needs these reports to work."""
        return None

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.report()
            await pause(stop, self._context, CHECK_S)
        await self.report(stopped=True)

    async def report(self, *, stopped: bool = False) -> None:
        """Publish what is due: every service's report, or those whose state has changed."""
        now_us = self._context.clock.monotonic_us()
        is_due = stopped or now_us >= self._due_us
        batch: list[tuple[str, bytes]] = []
        states: dict[str, tuple[object, ...]] = {}
        for reported in self._services():
            message = await self._message(reported, stopped=stopped)
            states[reported.name] = (message.not_ready, message.standby, message.model_sha256)
            if is_due or states[reported.name] != self._known.get(reported.name):
                batch.append((f"{message.service}/{message.instance}", encode(message)))
        if batch and await self._publish(batch):
            self._known |= states
        if is_due:
            self._due_us = now_us + REPORT_EVERY_US

    async def _publish(self, batch: Sequence[tuple[str, bytes]]) -> bool:
        try:
            await self._context.bus.publish_many(SERVICES, batch)
        except BusError as error:  # also one that is no use to retry: no service depends on its reports
            self._context.metrics.failed(self.name, type(error).__name__)
            if not self._is_failing:
                self._context.log.warning("reports of services not published", error=str(error))
            self._is_failing = True
            return False
        self._is_failing = False
        return True

    async def _message(self, reported: Reported, *, stopped: bool) -> ServiceReported:
        context, now_us = self._context, self._context.clock.now_us()
        parts = reported.parts
        not_ready = [reason for part in parts for reason in part.not_ready()]
        model = next((part.model() for part in parts if part.model is not None), None)
        return ServiceReported(
            id=f"{reported.name}:{self._instance}:{now_us}", cause_id="", account=context.account,
            strategy=context.strategy, ticker="", source=context.source, exchange_us=None, produced_us=now_us,
            service=reported.name, instance=self._instance, version=truebook.__version__,
            started_us=self._started_us, valid_us=now_us + VALID_US,
            not_ready=tuple(not_ready) if parts else (reported.waiting_for,), standby=_is_standby(parts),
            stopped=stopped, lag=await _lag(parts), gauges=_gauges(parts),
            model=None if model is None else model.name, model_sha256=None if model is None else model.sha256,
        )  # fmt: skip


def process_name() -> str:
    """Return the name of this process in its reports: that of its machine or container, and its id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_standby(parts: Sequence[Service]) -> bool:
    frames = [frame for part in parts for frame in part.frames]
    return any(isinstance(frame, Standby) and frame.active is None for frame in frames)


async def _lag(parts: Sequence[Service]) -> dict[str, int]:
    """Add up the unread records of all consumers, by topic; a consumer that can't report is left out."""
    found: Counter[str] = Counter()
    for part in parts:
        for frame in part.frames:
            if isinstance(frame, Standby) and frame.active is not None:
                found.update(await _lag([frame.active]))
            elif isinstance(frame, Consumer):
                try:
                    found.update(await frame.lag())
                except BusError:
                    continue
    return dict(sorted(found.items()))


def _gauges(parts: Sequence[Service]) -> dict[str, int]:
    values = {name: value for part in parts for name, value in part.context.metrics.values.items()}
    return {
        name: round(values[metric] * factor) for metric, (name, factor) in sorted(REPORTED.items()) if metric in values
    }
