"""Reports of services on the topic ``services``."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from support.services import make_context
from truebook.bus.port import BusUnavailable
from truebook.clock import ManualClock
from truebook.messages.codec import decode
from truebook.messages.services import ServiceReported
from truebook.messages.topics import SERVICES, Topic
from truebook.models.history import ModelVersion
from truebook.runtime.frames import Service
from truebook.runtime.service_reports import Reported, ServiceReports
from truebook.runtime.standby import Standby


class Bus:
    """Keeps what is published, and refuses it while ``is_down``."""

    def __init__(self) -> None:
        self.is_down = False
        self.published: list[ServiceReported] = []

    async def publish_many(self, topic: Topic, batch: list[tuple[str, bytes]]) -> None:
        if self.is_down:
            raise BusUnavailable("no broker")
        for key, raw in batch:
            message = decode(topic, raw)
            assert isinstance(message, ServiceReported)
            assert (topic, key) == (SERVICES, f"{message.service}/{message.instance}")
            self.published.append(message)

    def taken(self) -> list[ServiceReported]:
        published, self.published = self.published, []
        return published


class Part:
    """A frame that can be out of order."""

    name = "part"
    reason: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        await stop.wait()

    def not_ready(self) -> str | None:
        return self.reason


class Setup:
    def __init__(self) -> None:
        self.bus, self.clock, self.part = Bus(), ManualClock(), Part()
        self.context = make_context("execution", clock=self.clock, bus=cast(Any, self.bus))
        self.services = [Service(self.context, [self.part], model=lambda: ModelVersion("maker", "ab"))]
        self.reports = ServiceReports(
            self.context, "host:7", lambda: [Reported("execution", self.services, "waiting for the ledger")]
        )

    async def report_after(self, seconds: float) -> list[ServiceReported]:
        self.clock.set(self.clock.now_us() + int(seconds * 1e6))
        await self.reports.report()
        return self.bus.taken()


async def test_a_service_reports_every_five_seconds() -> None:
    setup = Setup()
    first = await setup.report_after(0)
    assert [await setup.report_after(1) for _ in range(4)] == [[], [], [], []]
    later = await setup.report_after(1)
    assert [(each.service, each.model, each.not_ready) for each in first + later] == [("execution", "maker", ())] * 2
    assert later[0].valid_us > later[0].produced_us + 10_000_000


async def test_a_change_of_readiness_is_reported_at_once() -> None:
    setup = Setup()
    await setup.report_after(0)
    setup.part.reason = "no response"
    assert [each.not_ready for each in await setup.report_after(0.5)] == [("no response",)]
    assert await setup.report_after(0.5) == []
    setup.part.reason = None
    assert [each.not_ready for each in await setup.report_after(0.5)] == [()]


async def test_a_process_that_starts_reports_what_it_waits_for() -> None:
    setup = Setup()
    setup.services = []
    assert [each.not_ready for each in await setup.report_after(0)] == [("waiting for the ledger",)]


async def test_a_change_during_an_outage_is_reported_after_it() -> None:
    setup = Setup()
    await setup.report_after(0)
    setup.bus.is_down, setup.part.reason = True, "no response"
    assert await setup.report_after(0.5) == []
    setup.bus.is_down = False
    assert [each.not_ready for each in await setup.report_after(0.5)] == [("no response",)]


async def test_selected_gauges_are_integers_with_their_unit() -> None:
    setup = Setup()
    setup.context.metrics.gauge("rate_budget_ratio", 0.25)
    setup.context.metrics.gauge("open_breakers", 2)
    setup.context.metrics.gauge("consumer_lag_records", 9, group="g", topic="t")
    (report,) = await setup.report_after(0)
    assert report.gauges == {"open_breakers": 2, "rate_budget_ppm": 250_000}


async def test_the_last_report_states_the_stop() -> None:
    setup = Setup()
    stop = asyncio.Event()
    stop.set()
    await setup.reports.run(stop)
    assert [each.stopped for each in setup.bus.taken()] == [True]


async def test_a_process_without_the_lease_is_a_standby() -> None:
    setup = Setup()
    setup.services = [Service(setup.context, [Standby.__new__(Standby)])]
    standby = setup.services[0].frames[0]
    assert isinstance(standby, Standby)
    standby._active, standby._down, standby.name = None, None, "lease"
    assert [each.standby for each in await setup.report_after(0)] == [True]
