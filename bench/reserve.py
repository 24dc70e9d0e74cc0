"""``reserve`` on the bundled Valkey (writes on disk before the response), against a bare script with the same writes.

The baseline is calibrated first: a first account shows which commands one ``reserve`` writes and how many bytes it
appends; the bare script then writes the same commands, as often, with values of the same total size, and nothing else.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from bench.measure import Pair, Row, no_collection, pair_of
from bench.samples import NOW_US
from truebook.ledger.redis.bundled import BundledServer
from truebook.ledger.redis.connection import connection_pool
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.verbs import RESERVED, OpenAccount, Reserve
from truebook.messages.envelope import BookSide

MARKETS = 150
ORDERS = 300
TASKS = 32
REPEATS = 9
MIN_RATIO = {1: 0.7, TASKS: 0.85}
"""By the number of tasks."""
BALANCE_MICROS = 10**12
WRITES = {
    "set": "redis.call('SET', KEYS[1], v)", "hset": "redis.call('HSET', KEYS[2], ARGV[1] .. i, v)",
    "hincrby": "redis.call('HINCRBY', KEYS[3], ARGV[1] .. i, 1)", "incr": "redis.call('INCR', KEYS[4])",
    "rpush": "redis.call('RPUSH', KEYS[5], v)", "ltrim": "redis.call('LTRIM', KEYS[5], 0, -1)",
    "sadd": "redis.call('SADD', KEYS[6], ARGV[1] .. i)", "xadd": "redis.call('XADD', KEYS[7], '*', 'v', v)",
    "zadd": "redis.call('ZADD', KEYS[8], i, ARGV[1] .. i)", "hdel": "redis.call('HDEL', KEYS[2], ARGV[1] .. i .. '-')",
    "lpop": "redis.call('LPOP', KEYS[5])", "del": "redis.call('DEL', KEYS[9])",
}  # fmt: skip
"""How the bare script executes each command that a ledger script may write."""
_numbers = itertools.count()


def order(index: int) -> Reserve:
    """Build one bid or ask in one of the markets: each has its own slot."""
    side = BookSide.BID if index < MARKETS else BookSide.ASK
    market = index % MARKETS
    return Reserve(
        order_id=f"tb1-{index:032x}", nonce="1-1", ticker=f"SIM{market // 2:05d}-{market:05d}",
        event=f"SIM{market // 2:05d}", exclusive=False, book_side=side, price_cc=4_600, size_centi=1_000,
        reduce_only=False, fee_rate_ppm=70_000, deadline_us=NOW_US + 5_000_000, now_us=NOW_US + index, partition=0,
        epoch=0, reference_cc=4_700, send_by_us=NOW_US + 5_000_000, expires_us=NOW_US + 20_000_000,
    )  # fmt: skip


class Baseline:
    """The bare script, called by a plain client."""

    def __init__(self, client: Redis, writes: dict[str, int], fill: int) -> None:
        lines = [f"local v = string.rep('x', {fill})"]
        for command, count in writes.items():
            lines.append(f"for i = 1, {count} do {WRITES[command]} end")
        self._script = client.register_script("\n".join([*lines, "return 'done'"]))
        self._prefix = f"bench:{next(_numbers)}:"

    async def run(self, index: int) -> None:
        await self._script([f"{self._prefix}{number}" for number in range(9)], [f"{index:032x}"])


async def open_store(url: str) -> RedisStore:
    store = await RedisStore.connect(url, f"bench-{next(_numbers)}")
    await store.apply(OpenAccount(balance_micros=BALANCE_MICROS))
    return store


async def calibrate(url: str, client: Redis) -> dict[str, Any]:
    """Return what one reserve writes: commands by name, and bytes."""
    store = await open_store(url)
    for index in range(50):
        await store.apply(order(index))
    before = await counts(client)
    for index in range(50, ORDERS):
        await store.apply(order(index))
    after = await counts(client)
    await store.aclose()
    calls = ORDERS - 50
    grown = {name: round((after[name] - before.get(name, 0)) / calls) for name in after if name != "bytes"}
    writes = {name: count for name, count in grown.items() if count and name in WRITES}
    return {"writes": writes, "bytes": (after["bytes"] - before["bytes"]) / calls}


async def counts(client: Redis) -> dict[str, int]:
    stats = await client.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): int(value["calls"]) for name, value in stats.items()}
    return calls | {"bytes": int((await client.info("persistence"))["aof_current_size"])}


async def fill_of(client: Redis, writes: dict[str, int], wanted: float) -> int:
    """Return the value length at which the bare script appends as many bytes."""
    sizes = []
    for fill in (1, 101):
        baseline, before = Baseline(client, writes, fill), (await counts(client))["bytes"]
        for index in range(20):
            await baseline.run(index)
        sizes.append(((await counts(client))["bytes"] - before) / 20)
    per_char = (sizes[1] - sizes[0]) / 100
    return max(1, round(1 + (wanted - sizes[0]) / per_char)) if per_char > 0 else 1


async def timed(call: Callable[[int], Awaitable[object]], tasks: int) -> float:
    """Return seconds per call, of ``ORDERS`` calls by this number of tasks."""
    left = iter(range(ORDERS))

    async def work() -> None:
        for index in left:
            await call(index)

    with no_collection():
        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(tasks)))
        return (time.perf_counter() - started) / ORDERS


async def measure(url: str) -> tuple[dict[str, Any], dict[int, Pair]]:
    client = Redis.from_pool(connection_pool(url, None))
    shape = await calibrate(url, client)
    fill = await fill_of(client, shape["writes"], shape["bytes"])
    pairs = {}
    for tasks in (1, TASKS):
        times = []
        for _ in range(REPEATS):
            store, baseline = await open_store(url), Baseline(client, shape["writes"], fill)
            ours_s = await timed(functools.partial(must_reserve, store), tasks)
            times.append((ours_s, await timed(baseline.run, tasks)))
            await store.aclose()
        pairs[tasks] = pair_of(times[1:])
    await client.aclose()
    return shape, pairs


async def must_reserve(store: RedisStore, index: int) -> None:
    result = await store.apply(order(index))
    if result != RESERVED:
        raise AssertionError(result)


async def served() -> tuple[dict[str, Any], dict[int, Pair]]:
    with tempfile.TemporaryDirectory(prefix="truebook-bench-") as folder:
        server = await BundledServer.start(Path(folder))
        try:
            return await measure(server.url)
        finally:
            await server.stop()


def bench() -> list[Row]:
    shape, pairs = asyncio.run(served())
    writes = ", ".join(f"{count} {name}" for name, count in shape["writes"].items())
    return [
        Row(
            path=f"reserve on Valkey, `appendfsync always`, {'serial' if tasks == 1 else f'{tasks} tasks'}",
            ours=f"{1 / pair.ours_s:,.0f} /s",
            baseline=f"{1 / pair.baseline_s:,.0f} /s ({writes}; {shape['bytes']:.0f} bytes)",
            ratio=f"{1 / pair.ratio:.2f} of the baseline's speed", target=f"≥ {MIN_RATIO[tasks]}",
            reached=1 / pair.ratio >= MIN_RATIO[tasks],
        )
        for tasks, pair in pairs.items()
    ]  # fmt: skip
