"""A view of the live markets and of all markets on the bundled Valkey: 3,000 markets ever traded, 50 of them live.

A market is live with a position or an open order. Half of the others have settled, half are flat and not settled yet.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.measure import Row, no_collection
from bench.reserve import BALANCE_MICROS
from bench.samples import NOW_US
from truebook.ledger.port import LedgerView
from truebook.ledger.redis.bundled import BundledServer
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.verbs import RESERVED, AdoptedPosition, OpenAccount, Reserve, SettleMarket
from truebook.messages.envelope import BookSide

MARKETS = 3_000
LIVE = 50
REPEATS = 50
MAX_MS = 2.0


def ticker(number: int) -> str:
    return f"SIM{number // 2:05d}-{number:05d}"


async def trade(store: RedisStore) -> None:
    """Open the account with a position or a closed pair in every market, settle every second pair, and send orders."""
    positions = [
        AdoptedPosition(
            ticker=ticker(number), event=ticker(number)[:8], position_centi=1_000 if number < LIVE else 0,
            cost_micros=4_600_000,
        )
        for number in range(MARKETS)
    ]  # fmt: skip
    await store.apply(OpenAccount(balance_micros=BALANCE_MICROS, positions=tuple(positions)))
    settlements = (SettleMarket(ticker=ticker(number), settlement_cc=10_000) for number in range(LIVE, MARKETS, 2))
    await asyncio.gather(*(store.apply(verb) for verb in settlements))
    for number in range(LIVE):
        result = await store.apply(
            Reserve(
                order_id=f"tb1-{number:032x}", nonce="1-1", ticker=ticker(number), event=ticker(number)[:8],
                exclusive=False, book_side=BookSide.BID, price_cc=4_600, size_centi=1_000, reduce_only=False,
                fee_rate_ppm=70_000, deadline_us=NOW_US + 5_000_000, now_us=NOW_US, partition=0, epoch=0,
            )
        )  # fmt: skip
        if result != RESERVED:
            raise AssertionError(result)


async def timed_ms(read: Callable[[], Awaitable[LedgerView]]) -> float:
    """Return the median milliseconds of a read, server and reader together."""
    times = []
    with no_collection():
        for _ in range(REPEATS):
            started = time.perf_counter()
            await read()
            times.append((time.perf_counter() - started) * 1_000)
    return statistics.median(times)


async def measure(folder: Path) -> tuple[float, float]:
    server = await BundledServer.start(folder)
    try:
        store = await RedisStore.connect(server.url, "bench")
        try:
            await trade(store)
            found = await store.live_view()
            if len(found.markets) != LIVE:
                raise AssertionError(f"{len(found.markets)} live markets")
            return await timed_ms(store.live_view), await timed_ms(store.view)
        finally:
            await store.aclose()
    finally:
        await server.stop()


def bench() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="truebook-bench-") as folder:
        live_ms, all_ms = asyncio.run(measure(Path(folder)))
    return [
        Row(
            path=f"view of {LIVE} live markets, {MARKETS:,} ever traded, Valkey", ours=f"{live_ms:.1f} ms",
            baseline=f"{all_ms:.1f} ms (view of all markets)", ratio=f"{all_ms / live_ms:.0f} x",
            target=f"≤ {MAX_MS:.0f} ms", reached=live_ms <= MAX_MS,
        )
    ]  # fmt: skip
