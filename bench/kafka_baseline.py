"""The baseline: five processes with the same hops and nothing else: ``python -m bench.kafka_baseline ROLE SETTINGS``.

aiokafka with the settings of our bus, the exchange's WebSocket, a Redis script that writes what a reservation writes,
one signature and one POST per order; no books, features, model or ledger. Messages have our sizes, a market passes at
most every 250 ms as in ours, and the same markets order. The latency of each order, from the frame's arrival to the
response of the POST, is printed at the end as JSON.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from httpx_aiohttp import AiohttpTransport
from redis.asyncio import Redis
from websockets.asyncio.client import connect

from truebook.bus.kafka.publisher import MAX_BATCH_BYTES, choose_partition
from truebook.kalshi.signing import load_signer
from truebook.kalshi.stream.commands import subscribe
from truebook.kalshi.wire.translate import write_order
from truebook.ledger.redis.connection import connection_pool
from truebook.messages.envelope import BookSide
from truebook.runtime.loop import run_until_done
from truebook.venue.account import OrderRequest

GATHER_S = 0.005
THROTTLE_US = 250_000
FETCH_MS = 250
MAX_RECORDS = 500
COMMIT_EVERY_S = 1.0
SIZES = {"orderbook": 430, "observations": 900, "actions": 700}
"""Message sizes in bytes, as ours."""
RESERVE = "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) return 'reserved'"
RESERVED_BYTES = 500
TRADE, REST = signal.SIGUSR1, signal.SIGUSR2
"""Start or stop sending orders."""
WS_PATH, ORDERS_PATH = "/trade-api/ws/v2", "/trade-api/v2/portfolio/events/orders"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses and parameters; ``ordering`` are the markets that order."""

    servers: str
    redis_url: str
    exchange_url: str
    key_id: str
    key_file: str
    tickers: tuple[str, ...]
    ordering: tuple[str, ...]


class _Body(msgspec.Struct):
    market_ticker: str = ""


class _Frame(msgspec.Struct):
    type: str = ""
    msg: _Body = msgspec.field(default_factory=_Body)


def topic(name: str) -> str:
    return f"baseline.{name}"


def record(name: str, started_us: int) -> bytes:
    """Build a message of our size that carries the time when its frame arrived."""
    return str(started_us).encode().ljust(SIZES[name])


class Process:
    """One role's connections to Kafka."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.signer = load_signer(settings.key_id, Path(settings.key_file))
        self.producer = AIOKafkaProducer(
            bootstrap_servers=settings.servers, enable_idempotence=True, acks="all", linger_ms=0,
            partitioner=choose_partition, max_batch_size=MAX_BATCH_BYTES,
        )  # fmt: skip
        self.took: list[tuple[int, int]] = []
        """Per order: when it was acknowledged (UTC microseconds) and its latency in microseconds."""

    async def publish(self, name: str, records: list[tuple[str, bytes]]) -> None:
        sends = [await self.producer.send(topic(name), value, key=key.encode()) for key, value in records]
        await asyncio.gather(*sends)

    async def consume(self, group: str, names: tuple[str, ...], handle: Callable[[Any], Awaitable[None]]) -> None:
        consumer = AIOKafkaConsumer(
            *(topic(name) for name in names), bootstrap_servers=self.settings.servers, group_id=f"baseline.{group}",
            enable_auto_commit=False, fetch_max_wait_ms=FETCH_MS,
        )  # fmt: skip
        await consumer.start()
        committed_s = time.monotonic()
        try:
            while True:
                batches = await consumer.getmany(timeout_ms=FETCH_MS, max_records=MAX_RECORDS)
                if batches:  # all partitions together, as ours: each publication costs a round trip to the broker
                    await handle([found for batch in batches.values() for found in batch])
                if time.monotonic() - committed_s > COMMIT_EVERY_S:
                    await consumer.commit()
                    committed_s = time.monotonic()
        finally:
            await consumer.stop()

    async def listen(self, channel: str, tickers: tuple[str, ...], take: Callable[[bytes], None]) -> None:
        headers = self.signer.headers("GET", WS_PATH, time.time_ns() // 1_000_000)
        url = f"ws{self.settings.exchange_url.removeprefix('http')}{WS_PATH}"
        async with connect(url, additional_headers=headers, compression=None, max_size=None, proxy=None) as socket:
            await socket.send(subscribe(1, (channel,), tickers))
            while True:
                take(await socket.recv(decode=False))


async def _gather(process: Process, name: str, channel: str, tickers: tuple[str, ...]) -> None:
    """Copy a socket's frames to a topic, published every five milliseconds."""
    waiting: list[tuple[str, bytes]] = []
    is_waiting = asyncio.Event()
    decoder = msgspec.json.Decoder(_Frame)

    def take(raw: bytes) -> None:
        frame = decoder.decode(raw)
        if frame.type in ("orderbook_delta", "fill"):
            waiting.append((frame.msg.market_ticker, record("orderbook", time.monotonic_ns() // 1000)))
            is_waiting.set()

    async def hand_over() -> None:
        while True:
            await is_waiting.wait()
            is_waiting.clear()
            batch = waiting.copy()
            waiting.clear()
            await process.publish(name, batch)
            await asyncio.sleep(GATHER_S)

    async with asyncio.TaskGroup() as group:
        group.create_task(process.listen(channel, tickers, take))
        group.create_task(hand_over())


async def ingest(process: Process) -> None:
    await _gather(process, "orderbook", "orderbook_delta", process.settings.tickers)


async def fill_listener(process: Process) -> None:
    await _gather(process, "fills", "fill", ())


async def observation(process: Process) -> None:
    passed_us: dict[str, int] = {}

    async def handle(batch: Any) -> None:
        now_us, due = time.monotonic_ns() // 1000, []
        for found in batch:
            ticker = found.key.decode()
            if now_us - passed_us.get(ticker, 0) >= THROTTLE_US:
                passed_us[ticker] = now_us
                due.append((ticker, record("observations", int(found.value))))
        if due:
            await process.publish("observations", due)

    await process.consume("observation", ("orderbook",), handle)


async def policy(process: Process) -> None:
    async def handle(batch: Any) -> None:
        await process.publish(
            "actions", [(found.key.decode(), record("actions", int(found.value))) for found in batch]
        )  # fmt: skip

    await process.consume("policy", ("observations",), handle)


async def execution(process: Process) -> None:
    settings = process.settings
    client = Redis.from_pool(connection_pool(settings.redis_url, None))
    reserve = client.register_script(RESERVE)
    http = httpx.AsyncClient(transport=AiohttpTransport(), trust_env=False)
    ordering, sending = set(settings.ordering), set()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(TRADE, ordering.update, settings.ordering)
    loop.add_signal_handler(REST, ordering.clear)

    async def send(ticker: str, started_us: int) -> None:
        order = OrderRequest(
            ticker=ticker, client_order_id=uuid.uuid4().hex, book_side=BookSide.BID, price_cc=8_200, size_centi=500
        )
        await reserve(["bench:baseline"], [order.client_order_id, "x" * RESERVED_BYTES])
        headers = process.signer.headers("POST", ORDERS_PATH, time.time_ns() // 1_000_000)
        response = await http.post(f"{settings.exchange_url}{ORDERS_PATH}", content=write_order(order), headers=headers)
        response.raise_for_status()
        process.took.append((time.time_ns() // 1000, time.monotonic_ns() // 1000 - started_us))

    async def handle(batch: Any) -> None:
        for found in batch:
            ticker = found.key.decode()
            if found.topic == topic("actions") and ticker in ordering:
                task = asyncio.create_task(send(ticker, int(found.value)))
                sending.add(task)
                task.add_done_callback(sending.discard)

    await process.consume("execution", ("orderbook", "actions"), handle)


ROLES = {role.__name__: role for role in (ingest, observation, policy, execution, fill_listener)}


async def main(role: str, settings: Settings) -> None:
    process = Process(settings)
    await process.producer.start()
    running = asyncio.ensure_future(ROLES[role](process))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    print("ready", flush=True)
    try:
        await running
    except asyncio.CancelledError:
        print(json.dumps(process.took), flush=True)
    finally:
        await process.producer.stop()


if __name__ == "__main__":
    run_until_done(main(sys.argv[1], msgspec.json.decode(sys.argv[2], type=Settings)))
