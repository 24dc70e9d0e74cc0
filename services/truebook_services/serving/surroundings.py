"""What a service that runs alone stands on. Its root asks for what it needs; the rest is not opened.

Each part that is not there yet is waited for, up to ``START_WITHIN_S``: services start in any order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, Generic, TypeVar

from truebook.bus.kafka import KafkaBus
from truebook.bus.port import BusUnavailable
from truebook.bus.topics_admin import TopicsAdmin
from truebook.clock import ExchangeClock
from truebook.kalshi.hosts import check_hosts
from truebook.kalshi.port import Connector, ExchangeError, RestClient
from truebook.kalshi.rest import HttpRestClient
from truebook.kalshi.signing import load_signer
from truebook.kalshi.stream import WebsocketConnector
from truebook.ledger.port import LedgerError, StoreUnavailable
from truebook.ledger.redis_lease import RedisLease
from truebook.ledger.redis_report import report_server
from truebook.ledger.redis_store import RedisStore
from truebook.runtime.context import Context
from truebook.runtime.frames import Frame, Periodic
from truebook_services.serving.durability import check_durable
from truebook_services.serving.settings import ServeSettings, exchange_address, kafka_connection, redis_address
from truebook_services.serving.watch import BusWatch, ClockFollower

START_WITHIN_S: Final = 60.0
TRY_AGAIN_S: Final = 0.5
BUS_CHECK_S: Final = 2.0
CLOCK_CHECK_S: Final = 10.0
RECONCILED: Final = "reconciled"
"""The lease by which the reconciler vouches that ledger and exchange agree."""

S = TypeVar("S", bound=ServeSettings)
T = TypeVar("T")


class Surroundings(Generic[S]):
    """Opens what is asked for; ``stack`` closes it again. ``frames`` are what has to run beside the service."""

    def __init__(
        self, settings: S, context: Context, clock: ExchangeClock, stack: AsyncExitStack, say: Callable[[str], None]
    ) -> None:
        self.settings = settings
        self.context = context
        self.frames: list[Frame] = []
        self._clock = clock
        self._stack = stack
        self._say = say

    async def kafka(self, bus: KafkaBus) -> None:
        """Connect the bus and check the topics; raises ``BusError``."""
        self._stack.push_async_callback(bus.aclose)
        self._say(f"waiting for Kafka at {self.settings.kafka_servers}")
        await bus.start(START_WITHIN_S)
        self._say("waiting for the topics")
        connection = kafka_connection(self.settings)
        async with TopicsAdmin.connected(connection, self.settings.kafka_partitions, within_s=START_WITHIN_S) as admin:
            await admin.check(START_WITHIN_S, lambda missing: self._say(f"waiting for the topics: {missing}"))
        self.frames.append(Periodic(self.context, "kafka", BUS_CHECK_S, BusWatch(self.context, bus).check))

    async def ledger(self) -> RedisStore:
        """Connect the ledger; raises ``LedgerError``."""
        settings = self.settings
        url, password = redis_address(settings), settings.redis_password()
        ledger = await self._patiently(
            f"the ledger at {url}", lambda: RedisStore.connect(url, settings.account, password=password)
        )
        self._stack.push_async_callback(ledger.aclose)
        return ledger

    async def opened_ledger(self) -> RedisStore:
        """Connect the ledger and wait until the reconciler has opened the account; raises ``LedgerError``.

        A server that lost everything is restored from its journal before that, as long as nobody else has written to it
        by then. While it is, its watermarks are old ones: who read them would go through all that has ever happened.
        """
        ledger = await self.ledger()

        async def check() -> None:
            if (await ledger.journal_end()).fenced:
                raise StoreUnavailable("the reconciler restores the ledger from its journal")
            if not (await ledger.view(())).account.opened:
                raise StoreUnavailable("the reconciler has not opened the account yet")

        await self._patiently("the account", check)
        return ledger

    async def durable_ledger(self) -> RedisStore:
        """As ``opened_ledger``, unless the server may lose what it has acknowledged; raises ``LedgerError``."""
        ledger = await self.opened_ledger()
        report = await report_server(redis_address(self.settings), self.settings.redis_password())
        check_durable(report.settings, self.context.log)
        return ledger

    async def reconciled(self) -> None:
        """Wait until a reconciler has compared ledger and exchange and vouches for both; raises ``LedgerError``."""
        lease = self.lease(RECONCILED, "", 0)

        async def check() -> None:
            if not await lease.is_held():
                raise StoreUnavailable("no reconciler has compared the ledger with the exchange yet")

        await self._patiently("the reconciler", check)

    def lease(self, name: str, owner: str, lasts_s: float) -> RedisLease:
        """A lease beside the ledger; ``owner`` names this process."""
        lease = RedisLease(
            redis_address(self.settings), self.settings.account, name=name, owner=owner, lasts_s=lasts_s,
            password=self.settings.redis_password(),
        )  # fmt: skip
        self._stack.push_async_callback(lease.aclose)
        return lease

    async def exchange(
        self, *, signature_life_s: float = 15.0, follow_clock: bool = True
    ) -> tuple[RestClient, Connector]:
        """Make both ways to the exchange and take its time; raises ``ExchangeError``, ``HostRefused``, ``KeyRefused``.

        ``follow_clock`` false: the service itself watches the exchange's clock.
        """
        url = exchange_address(self.settings)
        ws_url = f"ws{url.removeprefix('http')}/trade-api/ws/v2"
        check_hosts(f"{url}/trade-api/v2", ws_url, self.settings.exchange)
        signer = load_signer(*self.settings.credentials())
        rest = HttpRestClient(f"{url}/trade-api/v2", signer, self._clock, signature_life_s=signature_life_s)
        self._stack.push_async_callback(rest.aclose)
        self._clock.observe(await self._patiently(f"the exchange at {url}", rest.exchange_time_us))
        if follow_clock:
            follower = ClockFollower(self.context, self._clock, rest)
            self.frames.append(Periodic(self.context, "clock", CLOCK_CHECK_S, follower.check))
        return rest, WebsocketConnector(ws_url, signer, self._clock)

    async def _patiently(self, what: str, reach: Callable[[], Awaitable[T]]) -> T:
        """Try until it works, or has not for too long; errors that do not say ``retry`` end it at once."""
        self._say(f"waiting for {what}")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_WITHIN_S
        while True:
            try:
                return await reach()
            except (ExchangeError, LedgerError, BusUnavailable) as error:
                if not error.retry or loop.time() >= deadline:
                    raise
                self._say(f"waiting for {what}: {error}")
                await asyncio.sleep(TRY_AGAIN_S)
