"""The service ``alerts`` on a real bus and ledger in memory, a manual clock, and real receivers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.alert_situations import SERVICES, account_report, service_report
from support.samples import envelope
from support.services import make_context, opened_ledger
from truebook.bus.memory.bus import MemoryBus
from truebook.clock import ManualClock
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import LedgerStore, LedgerView, StoreUnavailable
from truebook.messages.codec import encode
from truebook.messages.envelope import Message
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.topics import ACCOUNT, ORDERS, Topic
from truebook.messages.topics import SERVICES as SERVICES_TOPIC
from truebook_services.alerts.receivers import Sender
from truebook_services.alerts.service import build
from truebook_services.alerts.settings import AlertsSettings

STEP_S = 0.5
SHORT = {
    "check_s": 1.0, "hold_s": 5.0, "clear_s": 2.0, "difference_s": 5.0, "stale_feed_s": 5.0, "service_down_s": 20.0,
    "service_not_ready_s": 5.0, "ledger_unreadable_s": 5.0,
}  # fmt: skip
"""Thresholds for fewer steps of the clock than the defaults."""


class AwayLedger:
    """The ledger's port, which can be away."""

    def __init__(self, ledger: MemoryStore) -> None:
        self.ledger = ledger
        self.is_away = False

    async def open(self) -> LedgerStore:
        if self.is_away:
            raise StoreUnavailable("redis://:s3cret-Passw0rd@redis: connection refused")
        return self  # type: ignore[return-value]  # the service only reads views

    async def live_view(self) -> LedgerView:
        if self.is_away:
            raise StoreUnavailable("connection refused")
        return await self.ledger.live_view()


class AlertService:
    """Runs the service; ``pass_time`` lets healthy services report meanwhile, except ``silent`` ones."""

    def __init__(self, folder: Path, *addresses: str, sender: Sender | None = None, **settings: Any) -> None:
        self.folder = folder
        self.file = folder / "receivers.txt"
        self.file.write_text("".join(f"{address}\n" for address in addresses))
        self.settings = AlertsSettings(receivers_file=self.file, **SHORT | settings)
        self.clock = ManualClock()
        self.bus = MemoryBus()
        self.silent: set[str] = set()
        self.changes: dict[str, dict[str, Any]] = {}
        self.account: dict[str, Any] = {}
        self.ledger = AwayLedger(MemoryStore("test"))
        self._sender = sender
        self.metrics: Any = None

    async def start(self) -> AlertService:
        self.ledger = AwayLedger(await opened_ledger())
        return self

    @asynccontextmanager
    async def running(self) -> AsyncIterator[AlertService]:
        """Run one process of it."""
        context = make_context("alerts", clock=self.clock, bus=self.bus)
        self.metrics = context.metrics
        service = build(
            context, self.settings, open_ledger=self.ledger.open, folder=self.folder, sender=self._sender
        )  # fmt: skip
        stop = asyncio.Event()
        task = asyncio.ensure_future(service.run(stop))
        try:
            await self.pass_time(1)
            yield self
        finally:
            stop.set()
            for _ in range(20):
                await self.clock.advance(0.5)
                await asyncio.sleep(0)
            await asyncio.wait_for(task, 10)

    async def pass_time(self, seconds: float) -> None:
        """Let the services report and the time pass, in steps of the service's own."""
        left = seconds
        while left > 0:
            await self.report()
            await self.clock.advance(min(left, 5))
            await asyncio.sleep(0.002)
            left -= 5

    async def until(self, is_so: Callable[[], Any], what: str, within_s: float = 15) -> None:
        """Let time pass in small steps until ``is_so``: threads of deliveries need real time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while not is_so():
            assert loop.time() < end, f"not within {within_s} s: {what}"
            await self.report()
            await self.clock.advance(STEP_S)
            await asyncio.sleep(0.005)

    async def report(self) -> None:
        """Publish one report of each service and of the account."""
        now_us = self.clock.now_us()
        for service in SERVICES:
            if service not in self.silent:
                report = service_report(service, now_us, **self.changes.get(service, {}))
                await self.publish(SERVICES_TOPIC, report, f"{service}/{report.instance}")
        if "reconciler" not in self.silent:
            await self.publish(ACCOUNT, account_report(now_us, **self.account))

    async def send_order(self) -> None:
        """Publish that an order was sent."""
        sent = OrderEvent(
            **envelope(produced_us=self.clock.now_us()), action_id="", client_order_id="tb-1", exchange_order_id="",
            outcome=OrderOutcome.SENT, reason=None, detail="", book_side=None, price_cc=1, size_centi=1,
        )  # fmt: skip
        await self.publish(ORDERS, sent)

    async def publish(self, topic: Topic, message: Message, key: str = "") -> None:
        await self.bus.publish(topic, key, encode(message))
