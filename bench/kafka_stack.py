"""What the Kafka benchmark runs: a broker, a Redis, two exchanges, the services, and the baseline's processes.

Each side has its own exchange, so that one is idle while the other is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.kafka_baseline import REST, ROLES, TRADE, Settings, topic
from bench.kafka_exchange import tickers
from bench.order_path import model
from support.kafka_broker import broker
from support.redis_servers import running
from support.service_processes import ServiceProcess, wait_until_ready
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.topics import TopicsAdmin
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.verbs import Hold, Mode, Release
from truebook_services.paper_exchange.settings import PaperExchangeSettings

MARKETS, ORDERING = 300, 12
PARTITIONS = 4
SESSION_S = 3
ACCOUNT = "sim-main"
KEY_ID = HOLD = "bench"
BALANCE_MICROS = 10**13
ROOT = Path(__file__).parent.parent
SERVICES = ("reconciler", "ingest", "observation", "policy", "execution", "fill_listener")
"""The five services of the pipeline, and the reconciler: nothing trades before its first comparison."""
FLOOR_TOPICS = ("orderbook", "observations", "actions", "fills")


class Exchange:
    """One exchange with a constant tick rate, as a process."""

    def __init__(self, public_key_file: Path) -> None:
        settings = PaperExchangeSettings(
            markets=MARKETS, account=ACCOUNT, balance_micros=BALANCE_MICROS, key_id=KEY_ID,
            public_key_file=public_key_file, tier="prestige", state_folder=None, max_queued_frames=100_000,
            tick_interval_ms=5,
        )  # fmt: skip
        self._process = start("bench.kafka_exchange", settings.model_dump_json(exclude_unset=True), str(ORDERING))
        self.url = self._line().removeprefix("ready ")

    def pace(self, per_s: int) -> int:
        """Set the tick rate per second; return the number of ticks so far."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{per_s}\n")
        self._process.stdin.flush()
        return int(self._line().removeprefix("ticks "))

    def stop(self) -> None:
        end(self._process)

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise AssertionError("the exchange has ended")
        return line


class Baseline:
    """The baseline's five processes."""

    def __init__(self, settings: Settings) -> None:
        text = msgspec.json.encode(settings).decode()
        self._processes = {role: start("bench.kafka_baseline", role, text) for role in ROLES}
        for role, process in self._processes.items():
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise AssertionError(f"the baseline's {role} has ended")

    def trade(self, on: bool) -> None:
        """Start or stop sending orders."""
        self._processes["execution"].send_signal(TRADE if on else REST)

    def stop(self) -> list[tuple[int, int]]:
        """Stop them; return when each order was acknowledged and its latency, both in microseconds."""
        took: list[tuple[int, int]] = []
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            out, _ = process.communicate(timeout=20)
            took += [tuple(each) for line in out.splitlines() if line.startswith("[") for each in json.loads(line)]
        return took

    def kill(self) -> None:
        for process in self._processes.values():
            end(process)


class Stack:
    """A context with broker, topics, ledger and both exchanges; ``start`` starts services."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services: dict[str, ServiceProcess] = {}
        self.servers = ""
        self._stack = ExitStack()

    def __enter__(self) -> Stack:
        with ExitStack() as stack:
            self.servers = stack.enter_context(broker(as_deployed=True))
            self.redis_url = stack.enter_context(running("redis", self.folder / "redis"))
            asyncio.run(self._prepare())
            private, public = _key_pair(self.folder)
            self.exchange, self.baseline_exchange = Exchange(public), Exchange(public)
            stack.callback(self.exchange.stop)
            stack.callback(self.baseline_exchange.stop)
            model(_folder(self.folder / "state" / "models"))
            self.settings = {
                "TRUEBOOK_KAFKA_SERVERS": self.servers, "TRUEBOOK_KAFKA_PARTITIONS": str(PARTITIONS),
                "TRUEBOOK_KAFKA_SESSION_S": str(SESSION_S), "TRUEBOOK_REDIS_URL": self.redis_url,
                "TRUEBOOK_EXCHANGE_URL": self.exchange.url, "TRUEBOOK_KEY_ID": KEY_ID,
                "TRUEBOOK_KEY_FILE": str(private), "TRUEBOOK_ACCOUNT": ACCOUNT,
                "TRUEBOOK_STATE_FOLDER": str(self.folder / "state"), "TRUEBOOK_POLICY__MODEL": "bench",
                "TRUEBOOK_EXECUTION__TIER": "prestige", "TRUEBOOK_LOG_LEVEL": "info", "TRUEBOOK_INGEST__LINGER_MS": "5",
                "TRUEBOOK_INGEST__STATE_LINGER_MS": "200",
                "TRUEBOOK_INGEST__UNIVERSE__MAX_MARKETS": str(MARKETS),
                "TRUEBOOK_INGEST__UNIVERSE__TICKERS": ",".join(tickers(MARKETS)),
            }  # fmt: skip
            self.baseline_settings = Settings(
                servers=self.servers, redis_url=self.redis_url, exchange_url=self.baseline_exchange.url, key_id=KEY_ID,
                key_file=str(private), tickers=tickers(MARKETS), ordering=tickers(ORDERING),
            )  # fmt: skip
            stack.callback(self._end_services)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, *names: str, label: str = "") -> None:
        """Start services and wait until they are ready."""
        for name in names:
            process = ServiceProcess(self.folder, name, self.settings, label=label and f"{name}-{label}")
            self.services[process.label] = process
        wait_until_ready(list(self.services.values()), within_s=90)

    def trade(self, on: bool) -> None:
        """Resume trading, or halt it as an operator does."""
        asyncio.run(self._hold(on))

    async def _hold(self, on: bool) -> None:
        ledger = await RedisStore.connect(self.redis_url, ACCOUNT)
        try:
            if on:
                await ledger.apply(Release(name=HOLD, owner=HOLD))
            else:
                await ledger.apply(Hold(name=HOLD, mode=Mode.HALTED, owner=HOLD))
        finally:
            await ledger.aclose()

    def baseline(self) -> Baseline:
        baseline = Baseline(self.baseline_settings)
        self._stack.callback(baseline.kill)
        return baseline

    def megabytes(self) -> dict[str, float]:
        """Return the resident memory of each running service."""
        found = {}
        for label, process in self.services.items():
            if process.process.poll() is None:
                pages = Path(f"/proc/{process.process.pid}/statm").read_text().split()[1]
                found[label] = int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20
        return found

    async def _prepare(self) -> None:
        connection = KafkaConnection(servers=self.servers)
        async with TopicsAdmin.connected(connection, PARTITIONS) as admin:
            await admin.create()
        client = AIOKafkaAdminClient(bootstrap_servers=self.servers)
        await client.start()
        try:
            names = [*(topic(name) for name in FLOOR_TOPICS), topic("ingest")]
            await client.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
        finally:
            await client.close()

    def _end_services(self) -> None:
        for process in self.services.values():
            if process.process.poll() is None:
                process.kill_9()


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start a benchmark module as a process with line-based input and output."""
    given = os.environ.get("PYTHONPATH")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *([given] if given else [])])
    return subprocess.Popen(
        [sys.executable, "-m", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": paths}, start_new_session=True,
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait(10)


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def _key_pair(folder: Path) -> tuple[Path, Path]:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    private, public = folder / "private.pem", folder / "public.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip
    private.chmod(0o600)
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public
