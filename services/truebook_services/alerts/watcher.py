"""Reads what the rules judge: reports and events from the bus, the ledger through its port, and the disk."""

from __future__ import annotations

import asyncio
import shutil
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from truebook.alerts.situation import Counted, Disk, LedgerReading, Situation, read_ledger
from truebook.ledger.port import LedgerError, LedgerStore
from truebook.messages.accounts import AccountReported
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.envelope import Message
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.reasons import Reason
from truebook.messages.refusals import DecisionsCounted, RefusalsCounted
from truebook.messages.services import ServiceReported
from truebook.messages.topics import ACCOUNT, DEAD_LETTERS, ORDERS, REFUSALS, SERVICES
from truebook.runtime.context import Context
from truebook.runtime.frames import Incoming
from truebook_services.alerts.store import Store

TOPICS: Final = (SERVICES, ACCOUNT, ORDERS, REFUSALS, DEAD_LETTERS)
MODEL_FAILURES: Final = frozenset({Reason.INFERENCE_FAILED, Reason.MODEL_MISMATCH, Reason.MODEL_STOPPED})
MAX_EVENTS: Final = 10_000
"""Events of one kind that are counted within the window."""
MAX_INSTANCES: Final = 32
"""Processes of one service whose newest reports are kept."""

READ_WITHIN_S: Final = 5.0
"""A ledger that does not respond within this time can't be read: the other rules are judged meanwhile."""

OpenLedger = Callable[[], Awaitable[LedgerStore]]


class Events:
    """Events within a window, each with its time and how often it occurred."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, int]] = deque(maxlen=MAX_EVENTS)

    def add(self, at_us: int, count: int) -> None:
        self._events.append((at_us, count))

    def since(self, from_us: int) -> Counted:
        """Return how many there are from that time on."""
        recent = [(at_us, count) for at_us, count in self._events if at_us >= from_us]
        self._events = deque(recent, MAX_EVENTS)
        return Counted(sum(count for _, count in recent), max((at_us for at_us, _ in recent), default=0))


class Watcher:
    """Keeps what was read last; ``read`` reads the rest and returns all of it."""

    def __init__(
        self, context: Context, store: Store, open_ledger: OpenLedger, folder: Path, window_us: int
    ) -> None:  # fmt: skip
        self._context = context
        self._store = store
        self._open_ledger = open_ledger
        self._folder = folder
        self._window_us = window_us
        self._started_us = context.clock.now_us()
        self._ledger: LedgerStore | None = None
        self._reading: LedgerReading | None = None
        self._failing_since_us: int | None = None
        self._services: dict[str, dict[str, ServiceReported]] = {}
        self._reported_us: int | None = None
        self._account: AccountReported | None = None
        self._failures = Events()
        self._letters: dict[str, Events] = {}

    async def handle(self, batch: Sequence[Incoming]) -> None:
        """Take messages of this account."""
        for incoming in batch:
            message = incoming.message
            if isinstance(message, Message) and message.account == self._context.account:
                self._take(message)

    def _take(self, message: Message) -> None:
        match message:
            case ServiceReported():
                self._take_report(message)
            case AccountReported():
                if self._account is None or message.produced_us >= self._account.produced_us:
                    self._account = message
            case OrderEvent() if message.outcome is OrderOutcome.SENT:
                saved = self._store.saved
                saved.last_order_us = max(saved.last_order_us or 0, message.produced_us)
            case RefusalsCounted() | DecisionsCounted():
                count = sum(count for reason, count in message.counts.items() if reason in MODEL_FAILURES)
                if count:
                    self._failures.add(message.until_us, count)
            case DeadLetter():
                name = f"{message.origin} ({message.reason})"
                self._letters.setdefault(name, Events()).add(message.produced_us, 1)
            case _:
                pass

    def _take_report(self, report: ServiceReported) -> None:
        instances = self._services.setdefault(report.service, {})
        known = instances.get(report.instance)
        if known is None or report.produced_us >= known.produced_us:
            instances[report.instance] = report
        if len(instances) > MAX_INSTANCES:
            del instances[min(instances, key=lambda name: instances[name].produced_us)]
        self._reported_us = max(self._reported_us or 0, report.produced_us)

    async def read(self) -> Situation:
        """Read ledger and disk, and return everything that is known; raises nothing that the ledger raises."""
        now_us = self._context.clock.now_us()
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                if self._ledger is None:
                    self._ledger = await self._open_ledger()
                self._reading = read_ledger(await self._ledger.live_view(), now_us)
            self._failing_since_us = None
        except (LedgerError, TimeoutError) as error:
            if self._failing_since_us is None:
                self._failing_since_us = now_us
                self._context.log.warning("the ledger can't be read", error=str(error) or "no response")
        from_us = now_us - self._window_us
        letters = {name: events.since(from_us) for name, events in self._letters.items()}
        self._letters = {name: self._letters[name] for name, counted in letters.items() if counted.count}
        return Situation(
            started_us=self._started_us,
            ledger=self._reading,
            ledger_failing_since_us=self._failing_since_us,
            services={service: tuple(instances.values()) for service, instances in self._services.items()},
            reported_us=self._reported_us,
            account=self._account,
            last_order_us=self._store.saved.last_order_us,
            watched_since_us=self._store.saved.watched_since_us or self._started_us,
            inference_failures=self._failures.since(from_us),
            dead_letters={name: counted for name, counted in letters.items() if counted.count},
            disks=self._disks(),
        )

    def _disks(self) -> tuple[Disk, ...]:
        try:
            usage = shutil.disk_usage(self._folder)
        except OSError:
            return ()
        return (Disk(str(self._folder), usage.free, usage.total),)
