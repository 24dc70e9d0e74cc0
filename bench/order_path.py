"""From a tick to the acknowledged order: ingest, observation, policy, execution and ledger in one process, ticks from a
scripted exchange, orders by signed REST over a loopback socket.

The *baseline* is a bare pipeline with the same hops: a queue per hop of the bus, a script that reads or writes one
value per ledger call (on the same server, on disk before it responds), the same signed POST to the same server.
Both get the same ticks per second in the same number of markets, as many of which trade, with the same throttle per
market: so orders are equally frequent and equally clustered. The clock starts when the frame arrives that releases the
observation.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import onnx
from cryptography.hazmat.primitives.asymmetric import rsa
from httpx_aiohttp import AiohttpTransport
from onnx import TensorProto, helper, numpy_helper
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.measure import Row, millis, pair_of, quantile
from bench.pipeline import Pipeline, running
from bench.samples import SEED
from truebook.bus.memory.bus import MemoryBus
from truebook.decision.strategy import Output, PriceRule, Strategy
from truebook.features.layout import layout
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import RsaSigner
from truebook.ledger.redis.bundled import BundledServer
from truebook.ledger.redis.connection import connection_pool
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.verbs import OpenAccount
from truebook.messages.codec import decode
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.topics import ACTIONS, ORDERS, Topic
from truebook.models.metadata import ModelMetadata
from truebook.models.registry import ModelRegistry
from truebook.runtime.frames import Service
from truebook.runtime.gc import frozen_startup_objects
from truebook.runtime.http import serve_http
from truebook.runtime.loop import run_until_done
from truebook_services.execution.service import build as build_execution
from truebook_services.execution.settings import ExecutionSettings
from truebook_services.policy.service import build as build_policy
from truebook_services.policy.settings import PolicySettings

MARKETS, TRADED = 300, 12
TICKS_PER_S = 2_000
EVERY_S = 0.005
SECONDS, REPEATS = 8.0, 5
THROTTLE_S = 0.25
MAX_RATIO, MAX_P99_S = 1.5, 0.010
RESPONSE = b'{"order_id":"%s","fill_count":"0.00","remaining_count":"0.00","ts_ms":1}'
ORDERS_PATH = "/trade-api/v2/portfolio/events/orders"
READ = "return redis.call('HGET', KEYS[1], ARGV[1]) or ''"
WRITE = "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) return 'done'"


class TimedBus(MemoryBus):
    """Records the latency of each acknowledged order from the frame that released its observation."""

    def __init__(self) -> None:
        super().__init__()
        self.frames_us: dict[str, int] = {}
        self.took_s: list[float] = []

    async def publish(self, topic: Topic, key: str, value: bytes) -> None:
        if topic is ACTIONS and b'"targets":[]' not in value:
            action: Any = decode(topic, value)
            self.frames_us[action.id] = action.frame_us
        elif topic is ORDERS and b'"acknowledged"' in value:
            event: Any = decode(topic, value)
            if isinstance(event, OrderEvent) and event.outcome is OrderOutcome.ACKNOWLEDGED:
                self.took_s.append((time.monotonic_ns() // 1_000 - self.frames_us.pop(event.action_id)) / 1e6)
        await super().publish(topic, key, value)


class OrderDesk:
    """The exchange's side of orders: accepts each, with nothing remaining."""

    def __init__(self) -> None:
        self.orders = 0
        self.app = Starlette(routes=[Route(ORDERS_PATH, self.create, methods=["POST"])])

    async def create(self, request: Request) -> Response:
        await request.body()
        self.orders += 1
        return Response(RESPONSE % str(self.orders).encode(), status_code=201, media_type="application/json")


def model(folder: Path) -> ModelRegistry:
    """Build a model that buys where the mid price is above 70 cents, and takes no action elsewhere."""
    m1 = layout("m1")
    weights = np.zeros((len(m1), 5), np.float32)
    weights[m1.names.index("mid"), 1] = 100.0
    bias = np.array([0.0, -70.0, -1_000.0, -1_000.0, -1_000.0], np.float32)
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["sum"]),
        helper.make_node("Add", ["sum", "bias"], ["scores"]),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])
        for name, width in (("features", len(m1)), ("scores", 5))
    ]
    constants = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")]
    graph = helper.make_graph(nodes, "bench", ports[:1], ports[1:], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    terms = Strategy(output=Output.ACTION_LOGITS, price_rule=PriceRule.CROSS, sizes_centi=(500,))
    metadata = ModelMetadata(name="bench", layout=m1.name, layout_hash=m1.hash, **msgspec.structs.asdict(terms))
    helper.set_model_props(made, metadata.to_properties())
    onnx.save(made, folder / "bench.onnx")
    return ModelRegistry(folder)


async def tick(pipeline: Pipeline, seconds: float) -> None:
    """Push frames at a constant rate: a few every five milliseconds."""
    burst = int(TICKS_PER_S * EVERY_S)
    started = time.monotonic()
    for turn in range(int(seconds / EVERY_S)):
        pipeline.connection.deliver(*pipeline.frames(burst))
        await asyncio.sleep(max(0.0, started + (turn + 1) * EVERY_S - time.monotonic()))


@asynccontextmanager
async def trading(url: str, redis_url: str, folder: Path) -> AsyncIterator[tuple[Pipeline, TimedBus]]:
    """Set up the whole path."""
    bus, ledger = TimedBus(), await RedisStore.connect(redis_url, "bench")
    await ledger.apply(OpenAccount(balance_micros=10**12))
    signer = RsaSigner("bench", rsa.generate_private_key(public_exponent=65_537, key_size=2_048))
    registry, clients = model(folder), AsyncExitStack()

    def services(pipeline: Pipeline) -> tuple[Service, ...]:
        rest = HttpRestClient(f"{url}/trade-api/v2", signer, pipeline.clock)
        clients.push_async_callback(rest.aclose)
        settings = ExecutionSettings(tier="prestige")
        execution = build_execution(pipeline.context("execution"), settings, rest=rest, ledger=ledger)
        policy = build_policy(pipeline.context("policy"), PolicySettings(model="bench"), registry=registry)
        return execution, policy

    throttle_ms = int(THROTTLE_S * 1e3)
    async with running(
        MARKETS, throttle_ms=throttle_ms, extra=services, bus=bus, ledger=ledger, raised=TRADED
    ) as pipeline:
        yield pipeline, bus
    await clients.aclose()
    await ledger.aclose()


class Bare:
    """The baseline: hops, reads, writes and a POST, nothing else."""

    def __init__(self, url: str, client: Redis) -> None:
        self.url = f"{url}{ORDERS_PATH}"
        self.signer = RsaSigner("bench", rsa.generate_private_key(public_exponent=65_537, key_size=2_048))
        self.random = random.Random(SEED)
        self.http = httpx.AsyncClient(transport=AiohttpTransport(), trust_env=False)
        self.read, self.write = client.register_script(READ), client.register_script(WRITE)
        self.hops: list[asyncio.Queue[list[Any]]] = [asyncio.Queue() for _ in range(4)]
        self.inbox: asyncio.Queue[int] = asyncio.Queue()
        self.took_s: list[float] = []
        self.sending: set[asyncio.Task[None]] = set()

    async def ingest(self) -> None:
        while True:
            self.hops[0].put_nowait([(await self.inbox.get(), time.monotonic())])

    async def observe(self) -> None:
        """Process each changed market when its throttle is open, all with one read."""
        changed_s: dict[int, float] = {}
        ready_s = dict.fromkeys(range(MARKETS), 0.0)
        while True:
            batch = await self.hops[0].get()
            while not self.hops[0].empty():
                batch += self.hops[0].get_nowait()
            for market, at_s in batch:
                changed_s.setdefault(market, at_s)
            now_s = time.monotonic()
            due = [market for market in changed_s if ready_s[market] <= now_s]
            if due:
                await self.read(["bench:baseline"], ["view"])
                first_s = {market: changed_s.pop(market) for market in due}
                starts_s = [at_s if at_s >= ready_s[market] else now_s for market, at_s in first_s.items()]
                ready_s.update(dict.fromkeys(due, now_s + THROTTLE_S))
                self.hops[1].put_nowait(list(zip(due, starts_s, strict=True)))

    async def decide(self) -> None:
        while True:
            self.hops[2].put_nowait(await self.hops[1].get())

    async def execute(self) -> None:
        while True:
            for market, started_s in await self.hops[2].get():
                if market < TRADED:
                    task = asyncio.create_task(self.send(started_s))
                    self.sending.add(task)
                    task.add_done_callback(self.sending.discard)

    async def send(self, started_s: float) -> None:
        await asyncio.gather(self.read(["bench:baseline"], ["order"]), self.read(["bench:baseline"], ["view"]))
        await self.write(["bench:baseline"], ["reserve", "x" * 500])
        headers = self.signer.headers("POST", ORDERS_PATH, time.time_ns() // 1_000_000)
        await self.http.post(self.url, content=b"{}", headers=headers)
        await self.write(["bench:baseline"], ["acknowledge", "x" * 500])
        self.took_s.append(time.monotonic() - started_s)

    async def run(self, seconds: float) -> list[float]:
        self.took_s = []
        tasks = [asyncio.create_task(work()) for work in (self.ingest, self.observe, self.decide, self.execute)]
        burst, started = int(TICKS_PER_S * EVERY_S), time.monotonic()
        for turn in range(int(seconds / EVERY_S)):
            for _ in range(burst):
                self.inbox.put_nowait(self.random.randrange(MARKETS))
            await asyncio.sleep(max(0.0, started + (turn + 1) * EVERY_S - time.monotonic()))
        await asyncio.sleep(0.2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return self.took_s


async def turns() -> tuple[list[list[float]], list[list[float]]]:
    """Return the latencies of ours and of the baseline, one list per repetition."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="truebook-bench-")))
        server = await BundledServer.start(folder / "ledger")
        stack.push_async_callback(server.stop)
        url = f"http://127.0.0.1:{await stack.enter_async_context(serve_http(OrderDesk().app))}"
        client = Redis.from_pool(connection_pool(server.url, None))
        stack.push_async_callback(client.aclose)
        bare = Bare(url, client)
        stack.push_async_callback(bare.http.aclose)
        ours, baselines = [], []
        pipeline, bus = await stack.enter_async_context(trading(url, server.url, folder))
        stack.enter_context(frozen_startup_objects())  # as every process of the system does
        await tick(pipeline, 2.0)
        await bare.run(1.0)
        for _ in range(REPEATS):
            bus.took_s.clear()
            await tick(pipeline, SECONDS)
            await asyncio.sleep(0.2)
            ours.append(bus.took_s.copy())
            baselines.append(await bare.run(SECONDS))
        pipeline.must_be_whole()
        return ours, baselines


def bench() -> list[Row]:
    ours, baselines = run_until_done(turns())
    rows = []
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        times = [(quantile(a, share), quantile(b, share)) for a, b in zip(ours, baselines, strict=True)]
        pair = pair_of(times)
        is_p99 = share > 0.9
        orders = sum(map(len, ours)) / REPEATS / SECONDS
        rows.append(Row(
            path=f"tick → order acknowledged, {MARKETS} markets, {TICKS_PER_S:,} ticks/s, {name}",
            ours=f"{millis(pair.ours_s)} ({orders:.0f} orders/s)", baseline=f"{millis(pair.baseline_s)} (bare hops)",
            ratio=f"{pair.ratio:.2f} ×",
            target=f"≤ {MAX_P99_S * 1e3:.0f} ms" if is_p99 else f"≤ {MAX_RATIO} ×",
            reached=pair.ours_s <= MAX_P99_S if is_p99 else pair.ratio <= MAX_RATIO,
        ))  # fmt: skip
    return rows
