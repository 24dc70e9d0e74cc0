"""The figures of the system over Kafka: `make bench-kafka [ONLY=ingest,path,image,codecs]`.

Starts a broker, a Redis and everything else by itself; `TRUEBOOK_TEST_KAFKA` and `TRUEBOOK_TEST_REDIS_URL` name others
(empty ones: the benchmark creates the topics and an account). Writes its table into docs/performance.md.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))  # the containers and processes of the tests

from bench.kafka_codecs import bench as bench_codecs
from bench.kafka_path import CALM_RECORDS, HELD_S, SECONDS, TICKS_HELD_PER_S, TICKS_PER_S, Turn, held, turns
from bench.kafka_stack import MARKETS, PARTITIONS, SERVICES, SESSION_S, Stack, start
from bench.kafka_takeover import WATCHED_S, take_overs
from bench.measure import Row, millis, pair_of, quantile
from bench.page import KAFKA, chosen, machine, table, write

PARTS = ("ingest", "path", "image", "codecs")
LEAST_PER_S = 20_000
MOST_RATIO, MOST_P99_S = 1.3, 0.025
MOST_TAKE_OVER_S = 5.0
MOST_MEGABYTES, MOST_IMAGE_MEGABYTES = 200, 500
MOST_GROWN_MEGABYTES = 20
IMAGE = os.environ.get("IMAGE", "truebook:dev")
Tell = Callable[[list[Row]], None]


def ingest_rows(stack: Stack) -> list[Row]:
    process = start("bench.kafka_ingest", stack.servers, str(PARTITIONS))
    out, _ = process.communicate(timeout=180)
    told = json.loads(out.splitlines()[-1])
    times = [(ours[0] / told["deltas"], floor[0] / told["deltas"]) for ours, floor in told["times"]]
    pair = pair_of(times)
    cpu = [statistics.median(each[side][1] for each in told["times"]) / told["deltas"] * 1e6 for side in (0, 1)]
    whole = not told["lost"] and told["delivered"] == told["sent"]
    return [
        Row(
            path=f"ingest → Kafka, a delta a record ({told['bytes']:.0f} bytes), one process, {MARKETS} markets",
            ours=f"{1 / pair.ours_s:,.0f} deltas/s, {cpu[0]:.1f} µs CPU each",
            floor=f"{1 / pair.floor_s:,.0f}/s, {cpu[1]:.1f} µs (bare aiokafka loop)",
            ratio=f"{1 / pair.ratio:.2f} of the floor's speed", target=f"≥ {LEAST_PER_S:,} deltas/s",
            reached=1 / pair.ours_s >= LEAST_PER_S,
        ),
        Row(
            path="the same: lost, and memory", floor="–", target="nothing lost, bounded",
            ours=f"{told['sent'] - told['delivered']:,} of {told['sent']:,} lost",
            ratio=f"{told['grown']:+.1f} MB after the first {told['deltas']:,}",
            reached=whole and told["grown"] < MOST_GROWN_MEGABYTES,
        ),
    ]  # fmt: skip


def path_rows(stack: Stack, tell: Tell) -> None:
    """Each of these rows needs the same running services."""
    stack.start(*SERVICES)
    measured = turns(stack, stack.floor())
    if measured:
        orders_per_s = sum(len(turn.ours) for turn in measured) / len(measured) / SECONDS
        tell([_latency_row(measured, share, orders_per_s) for share in (0.5, 0.9, 0.99)])
    else:
        print("hardly an order was acknowledged: the machine is too busy to be measured", file=sys.stderr)
    found = held(stack)
    whole = not found.lost and found.deltas >= found.ticks
    is_held = found.ticks_per_s > TICKS_HELD_PER_S * 0.98 and found.most_lag < TICKS_HELD_PER_S
    tell([
        Row(
            path=f"all services at {TICKS_HELD_PER_S:,} ticks/s, {HELD_S:.0f} s",
            ours=f"{found.ticks_per_s:,.0f} ticks/s; {found.deltas:,} deltas of {found.ticks:,} ticks",
            ratio=f"lag ≤ {found.most_lag:,} records, ≤ {CALM_RECORDS} from {found.calm_after_s:.1f} s after the end",
            floor="–", target="lag bounded, nothing lost", reached=whole and is_held,
        )
    ])  # fmt: skip
    sizes = stack.megabytes()
    names = sorted(sizes, key=lambda name: sizes[name], reverse=True)
    tell([
        Row(
            path=f"memory per service, {MARKETS} markets", floor="–", ratio="–", target=f"< {MOST_MEGABYTES} MB",
            ours=", ".join(f"{name} {sizes[name]:.0f} MB" for name in names),
            reached=max(sizes.values()) < MOST_MEGABYTES,
        )
    ])  # fmt: skip
    tell([
        Row(
            path=f"take-over from a killed {each.service}, session of {SESSION_S} s", floor="–",
            ours=_after(each.partitions_s), ratio=f"all its markets: {_after(each.markets_s)}",
            target=f"< {MOST_TAKE_OVER_S:.0f} s", reached=each.partitions_s < MOST_TAKE_OVER_S,
        )
        for each in take_overs(stack)
    ])  # fmt: skip


def _after(seconds: float) -> str:
    return f"{seconds:.1f} s" if math.isfinite(seconds) else f"not within {WATCHED_S:.0f} s"


def _latency_row(measured: list[Turn], share: float, orders_per_s: float) -> Row:
    pair = pair_of([(quantile(turn.ours, share), quantile(turn.floor, share)) for turn in measured])
    is_p99 = share > 0.95
    within = pair.ours_s <= MOST_P99_S if is_p99 else True
    return Row(
        path=f"tick → order acknowledged over Kafka, {MARKETS} markets, {TICKS_PER_S:,} ticks/s, p{share * 100:.0f}",
        ours=f"{millis(pair.ours_s)} ({orders_per_s:.0f} orders/s)", floor=f"{millis(pair.floor_s)} (bare hops)",
        ratio=f"{pair.ratio:.2f} ×",
        target=f"≤ {MOST_RATIO} ×" + (f", ≤ {MOST_P99_S * 1e3:.0f} ms" if is_p99 else ""),
        reached=pair.ratio <= MOST_RATIO and within,
    )  # fmt: skip


def image_rows() -> list[Row]:
    """The image's size as Docker tells it, and that the model's runtime is in it."""
    asked = ["docker", "image", "inspect", "--format", "{{.Size}}", IMAGE]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=60)
    if told.returncode != 0:
        print(f"no image {IMAGE}: make image", file=sys.stderr)
        return []
    megabytes = int(told.stdout) / 1e6
    return [
        Row(
            path=f"image `{IMAGE}`, ONNX Runtime included", ours=f"{megabytes:.0f} MB", floor="–", ratio="–",
            target=f"< {MOST_IMAGE_MEGABYTES} MB", reached=megabytes < MOST_IMAGE_MEGABYTES,
        )
    ]  # fmt: skip


def main() -> int:
    wanted = chosen(PARTS)
    print(f"{machine()}\n", flush=True)
    rows: list[Row] = []

    def tell(measured: list[Row]) -> None:
        for row in measured:
            print(" | ".join(row.cells()), flush=True)
        rows.extend(measured)

    if {"ingest", "path"} & set(wanted):
        try:
            with tempfile.TemporaryDirectory(prefix="truebook-bench-") as folder, Stack(Path(folder)) as stack:
                if "ingest" in wanted:
                    tell(ingest_rows(stack))
                if "path" in wanted:
                    path_rows(stack, tell)
        except pytest.skip.Exception as reason:
            print(f"can't be measured here: {reason}", file=sys.stderr)
            return 3
    if "image" in wanted:
        tell(image_rows())
    if "codecs" in wanted:
        tell(bench_codecs())
    print(f"\n{table([row.cells() for row in rows])}")
    write(rows, whole=tuple(wanted) == PARTS, mark=KAFKA)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
