"""What a service that runs as its own process connects to. Its root opens what it needs and nothing else.

Each dependency that is not available yet is retried for up to ``START_WITHIN_S``: services start in any order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, Generic, TypeVar

from truebook.bus.kafka.bus import KafkaBus
from truebook.bus.kafka.topics import TopicsAdmin
from truebook.bus.port import BusUnavailable
from truebook.clock import MICROS, ExchangeClock
from truebook.kalshi.hosts import addresses, check_hosts
from truebook.kalshi.port import Connector, ExchangeError, RestClient
from truebook.ledger.port import LedgerError, LedgerStore, StoreUnavailable
from truebook.ledger.redis.durability import check_durable, report_server
from truebook.ledger.redis.lease import RedisLease
from truebook.ledger.redis.store import RedisStore
from truebook.runtime.context import Context
from truebook.runtime.frames import Frame, Periodic
from truebook_services.serving.binding import check_exchange
from truebook_services.serving.ledger import connect_ledger
from truebook_services.serving.settings import ServeSettings, exchange_address, kafka_connection, redis_address

START_WITHIN_S: Final = 60.0
RETRY_S: Final = 0.5
BUS_CHECK_S: Final = 2.0
CLOCK_CHECK_S: Final = 10.0
RECONCILED: Final = "reconciled"
"""The lease by which the reconciler reports that ledger and exchange agree."""

S = TypeVar("S", bound=ServeSettings)
T = TypeVar("T")


class Dependencies(Generic[S]):
    """Opens what the root requests; ``stack`` closes it. ``frames`` have to run beside the service.

    ``report`` is called with what the process waits for.
    """

    def __init__(
        self, settings: S, context: Context, clock: ExchangeClock, stack: AsyncExitStack, report: Callable[[str], None]
    ) -> None:
        self.settings = settings
        self.context = context
        self.frames: list[Frame] = []
        self._clock = clock
        self._stack = stack
        self._report = report

    async def kafka(self, bus: KafkaBus) -> None:
        """Connect the bus and check the topics; raises ``BusError``."""
        self._stack.push_async_callback(bus.aclose)
        self._report(f"waiting for Kafka at {self.settings.kafka_servers}")
        await bus.start(START_WITHIN_S)
        self._report("waiting for the topics")
        connection = kafka_connection(self.settings)
        async with TopicsAdmin.connected(connection, self.settings.kafka_partitions, within_s=START_WITHIN_S) as admin:
            await admin.check(START_WITHIN_S, lambda missing: self._report(f"waiting for the topics: {missing}"))

        async def check() -> None:
            await _check_bus(self.context, bus)

        self.frames.append(Periodic(self.context, "kafka", BUS_CHECK_S, check))

    async def ledger(self) -> RedisStore:
        """Connect the ledger; raises ``LedgerError``."""
        settings = self.settings
        ledger = await self._retry_until_ready(
            f"the ledger at {redis_address(settings)}", lambda: connect_ledger(settings)
        )
        self._stack.push_async_callback(ledger.aclose)
        ledger.now_us = self.context.clock.now_us
        return ledger

    async def opened_ledger(self) -> RedisStore:
        """Connect the ledger and wait until the reconciler has opened the account; raises ``LedgerError``.

        The reconciler first restores a server that lost its data from the journal, provided no other process has
        written to it. Its watermarks are outdated until then: a reader would process the account's whole history.
        """
        ledger = await self.ledger()

        async def check() -> None:
            if (await ledger.journal_end()).restoring:
                raise StoreUnavailable("the reconciler restores the ledger from its journal")
            if not (await ledger.view(())).account.opened:
                raise StoreUnavailable("the reconciler has not opened the account yet")

        await self._retry_until_ready("the account", check)
        return ledger

    async def durable_ledger(self) -> RedisStore:
        """As ``opened_ledger``; raises ``LedgerError`` too if the server may lose acknowledged writes."""
        ledger = await self.opened_ledger()
        report = await report_server(redis_address(self.settings), self.settings.redis_password())
        check_durable(report.settings, self.context.log)
        return ledger

    async def reconciled(self) -> None:
        """Wait until a reconciler has compared ledger and exchange and holds its lease; raises ``LedgerError``."""
        lease = self.lease(RECONCILED, "", 0)

        async def check() -> None:
            if not await lease.is_held():
                raise StoreUnavailable("no reconciler has compared the ledger with the exchange yet")

        await self._retry_until_ready("the reconciler", check)

    def lease(self, name: str, owner: str, lasts_s: float) -> RedisLease:
        """Return a lease beside the ledger; ``owner`` names this process."""
        lease = RedisLease(
            redis_address(self.settings), self.settings.account, name=name, owner=owner, lasts_s=lasts_s,
            password=self.settings.redis_password(),
        )  # fmt: skip
        self._stack.push_async_callback(lease.aclose)
        return lease

    async def exchange(
        self, ledger: LedgerStore | None = None, *, signature_life_s: float = 15.0, follow_clock: bool = True
    ) -> tuple[RestClient, Connector]:
        """Connect by REST, read the exchange's clock, and prepare the WebSocket.

        Raises ``ExchangeError``, ``HostRefused``, ``KeyRefused``, and ``WrongExchange`` if the ledger was opened on
        another exchange. ``follow_clock`` False: the service itself watches
        the exchange's clock.
        """
        # Observation and policy connect to no exchange: the clients' libraries would be a fifth of their memory.
        from truebook.kalshi.rest.client import HttpRestClient
        from truebook.kalshi.signing import load_signer
        from truebook.kalshi.stream.connection import WebsocketConnector

        url = exchange_address(self.settings)
        rest_url, ws_url = addresses(url)
        check_hosts(rest_url, ws_url, self.settings.exchange)
        signer = load_signer(*self.settings.credentials())
        rest = HttpRestClient(rest_url, signer, self._clock, signature_life_s=signature_life_s)
        self._stack.push_async_callback(rest.aclose)
        self._clock.observe(await self._retry_until_ready(f"the exchange at {url}", rest.exchange_time_us))
        if ledger is not None:
            await check_exchange(ledger, rest)
        if follow_clock:

            async def check() -> None:
                await _follow_clock(self.context, self._clock, rest)

            self.frames.append(Periodic(self.context, "clock", CLOCK_CHECK_S, check))
        return rest, WebsocketConnector(ws_url, signer, self._clock)

    async def _retry_until_ready(self, what: str, connect: Callable[[], Awaitable[T]]) -> T:
        """Retry until ``connect`` succeeds or the deadline has passed; an error without ``retry`` is raised at once."""
        self._report(f"waiting for {what}")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_WITHIN_S
        while True:
            try:
                return await connect()
            except (ExchangeError, LedgerError, BusUnavailable) as error:
                if not error.retry or loop.time() >= deadline:
                    raise
                self._report(f"waiting for {what}: {error}")
                await asyncio.sleep(RETRY_S)


async def _check_bus(context: Context, bus: KafkaBus) -> None:
    """Set the gauges of this process's groups; raises ``BusUnavailable``, which makes the process not ready."""
    await bus.probe()
    for group, partitions in bus.assigned().items():
        context.metrics.gauge("assigned_partitions", partitions, group=group)
    for group, by_topic in (await bus.lag()).items():
        for topic, records in by_topic.items():
            context.metrics.gauge("consumer_lag_records", records, group=group, topic=topic)


async def _follow_clock(context: Context, clock: ExchangeClock, rest: RestClient) -> None:
    """Set this process's clock to the exchange's time once; raises ``ExchangeError``."""
    clock.observe(await rest.exchange_time_us())
    context.metrics.gauge("clock_offset_seconds", clock.offset_us / MICROS)
