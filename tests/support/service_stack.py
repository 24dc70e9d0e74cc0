"""A whole deployment for a test: Kafka and Redis in containers, an exchange, and every service as processes."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

from support.kafka_broker import BrokerContainer, start_broker
from support.processes import Background, start_exchange, truebook
from support.redis_servers import running
from support.service_processes import ServiceProcess
from truebook.clock import SystemClock
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import load_signer
from truebook.ledger.port import LedgerView
from truebook.ledger.reconcile import Difference
from truebook.ledger.redis.store import RedisStore
from truebook.venue.account import ExchangeOrder
from truebook_services.embedded.wind_down import wind_down

ACCOUNT = "sim-main"


class Stack:
    """Entered, it has a broker with the topics, a ledger server and an exchange; services are started by the test."""

    def __init__(self, folder: Path, *exchange_arguments: str, partitions: int = 4) -> None:
        self.folder = folder
        self.services: dict[str, ServiceProcess] = {}
        self.broker: BrokerContainer
        self.exchange: Background
        self.settings: dict[str, str] = {}
        self._exchange_arguments = exchange_arguments
        self._partitions = partitions
        self._stack = ExitStack()

    def __enter__(self) -> Stack:
        with ExitStack() as stack:
            self.broker = start_broker()
            stack.callback(self.broker.stop)
            redis_url = stack.enter_context(running("redis", self.folder / "redis"))
            # What the exchange allows and what execution may use of it are one number.
            (self.folder / "truebook.toml").write_text('[paper_exchange]\ntier = "premier"\n')
            self.exchange, url, key_id, key_file = start_exchange(self.folder, "--port", "0", *self._exchange_arguments)
            stack.callback(self.exchange.interrupt)
            self.settings = {
                "TRUEBOOK_KAFKA_SERVERS": self.broker.address,
                "TRUEBOOK_KAFKA_PARTITIONS": str(self._partitions),
                "TRUEBOOK_REDIS_URL": redis_url,
                "TRUEBOOK_EXCHANGE_URL": url,
                "TRUEBOOK_KEY_ID": key_id,
                "TRUEBOOK_KEY_FILE": str(key_file),
                "TRUEBOOK_KAFKA_SESSION_S": "3",
                "TRUEBOOK_ACCOUNT": ACCOUNT,
                "TRUEBOOK_EXECUTION__TIER": "premier",
                "TRUEBOOK_EXECUTION__NEAR_CLOSE_S": "5",
                "TRUEBOOK_INGEST__UNIVERSE__MAX_MARKETS": "1000",
                "TRUEBOOK_INGEST__UNIVERSE__MIN_TIME_TO_CLOSE_S": "10",
            }
            stack.callback(self._end_services)
            created = truebook(self.folder, "topics", "--create", **self.settings)
            assert created.returncode == 0, created.stderr
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, name: str, label: str = "", *, module: str = "", **more: str) -> ServiceProcess:
        """Start one service, or a module in its place; ``more`` are settings of its own."""
        process = ServiceProcess(self.folder, name, self.settings | more, label=label, module=module)
        self.services[process.label] = process
        return process

    def view(self) -> LedgerView:
        """What the ledger holds now."""
        return asyncio.run(self._view())

    def orders(self) -> list[ExchangeOrder]:
        """All orders that the exchange has of the account, ended ones too."""
        return asyncio.run(self._orders())

    def wind_down(self) -> tuple[tuple[Difference, ...], LedgerView, list[ExchangeOrder]]:
        """End trading while the services run: what differs, the ledger, and all orders of the exchange."""
        return asyncio.run(self._wind_down())

    async def _view(self) -> LedgerView:
        ledger = await RedisStore.connect(self.settings["TRUEBOOK_REDIS_URL"], ACCOUNT)
        try:
            return await ledger.view()
        finally:
            await ledger.aclose()

    async def _orders(self) -> list[ExchangeOrder]:
        rest = self._rest()
        try:
            return await rest.orders()
        finally:
            await rest.aclose()

    def _rest(self) -> HttpRestClient:
        signer = load_signer(self.settings["TRUEBOOK_KEY_ID"], Path(self.settings["TRUEBOOK_KEY_FILE"]))
        return HttpRestClient(f"{self.settings['TRUEBOOK_EXCHANGE_URL']}/trade-api/v2", signer, SystemClock())

    async def _wind_down(self) -> tuple[tuple[Difference, ...], LedgerView, list[ExchangeOrder]]:
        clock = SystemClock()
        rest = self._rest()
        ledger = await RedisStore.connect(self.settings["TRUEBOOK_REDIS_URL"], ACCOUNT)
        try:
            differences = await wind_down(rest, ledger, clock, asyncio.sleep)
            return tuple(differences), await ledger.view(), await rest.orders()
        finally:
            await rest.aclose()
            await ledger.aclose()

    def _end_services(self) -> None:
        for process in self.services.values():
            if process.process.poll() is None:
                process.kill_9()
