"""The benchmark of the system over Kafka: `make bench-kafka [ONLY=ingest,path,image,codecs]`.

Starts a broker, a Redis and all services; `TRUEBOOK_TEST_KAFKA` and `TRUEBOOK_TEST_REDIS_URL` name others (empty ones:
the benchmark creates the topics and an account). Writes its table to docs/performance.md.
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
from bench.page import KAFKA, machine, selected, table, write

PARTS = ("ingest", "path", "image", "codecs")
MIN_PER_S = 20_000
MAX_RATIO, MAX_P99_S = 1.3, 0.025
MAX_TAKE_OVER_S = 5.0
MAX_MEGABYTES, MAX_IMAGE_MEGABYTES = 200, 500
MAX_GROWTH_MEGABYTES = 20
IMAGE = os.environ.get("IMAGE", "truebook:dev")
Report = Callable[[list[Row]], None]


def ingest_rows(stack: Stack) -> list[Row]:
    process = start("bench.kafka_ingest", stack.servers, str(PARTITIONS))
    out, _ = process.communicate(timeout=180)
    result = json.loads(out.splitlines()[-1])
    times = [(ours[0] / result["deltas"], baseline[0] / result["deltas"]) for ours, baseline in result["times"]]
    pair = pair_of(times)
    cpu = [statistics.median(each[side][1] for each in result["times"]) / result["deltas"] * 1e6 for side in (0, 1)]
    whole = not result["lost"] and result["delivered"] == result["sent"]
    return [
        Row(
            path=f"ingest → Kafka, a delta a record ({result['bytes']:.0f} bytes), one process, {MARKETS} markets",
            ours=f"{1 / pair.ours_s:,.0f} deltas/s, {cpu[0]:.1f} µs CPU each",
            baseline=f"{1 / pair.baseline_s:,.0f}/s, {cpu[1]:.1f} µs (bare aiokafka loop)",
            ratio=f"{1 / pair.ratio:.2f} of the baseline's speed", target=f"≥ {MIN_PER_S:,} deltas/s",
            reached=1 / pair.ours_s >= MIN_PER_S,
        ),
        Row(
            path="the same: lost, and memory", baseline="–", target="nothing lost, bounded",
            ours=f"{result['sent'] - result['delivered']:,} of {result['sent']:,} lost",
            ratio=f"{result['grown']:+.1f} MB after the first {result['deltas']:,}",
            reached=whole and result["grown"] < MAX_GROWTH_MEGABYTES,
        ),
    ]  # fmt: skip


def path_rows(stack: Stack, report: Report) -> None:
    """Measure the rows that need the same running services."""
    stack.start(*SERVICES)
    measured = turns(stack, stack.baseline())
    if measured:
        orders_per_s = sum(len(turn.ours) for turn in measured) / len(measured) / SECONDS
        report([_latency_row(measured, share, orders_per_s) for share in (0.5, 0.9, 0.99)])
    else:
        print("hardly an order was acknowledged: the machine is too busy to be measured", file=sys.stderr)
    found = held(stack)
    whole = not found.lost and found.deltas >= found.ticks
    is_held = found.ticks_per_s > TICKS_HELD_PER_S * 0.98 and found.max_lag < TICKS_HELD_PER_S
    report([
        Row(
            path=f"all services at {TICKS_HELD_PER_S:,} ticks/s, {HELD_S:.0f} s",
            ours=f"{found.ticks_per_s:,.0f} ticks/s; {found.deltas:,} deltas of {found.ticks:,} ticks",
            ratio=f"lag ≤ {found.max_lag:,} records, ≤ {CALM_RECORDS} from {found.calm_after_s:.1f} s after the end",
            baseline="–", target="lag bounded, nothing lost", reached=whole and is_held,
        )
    ])  # fmt: skip
    sizes = stack.megabytes()
    names = sorted(sizes, key=lambda name: sizes[name], reverse=True)
    report([
        Row(
            path=f"memory per service, {MARKETS} markets", baseline="–", ratio="–", target=f"< {MAX_MEGABYTES} MB",
            ours=", ".join(f"{name} {sizes[name]:.0f} MB" for name in names),
            reached=max(sizes.values()) < MAX_MEGABYTES,
        )
    ])  # fmt: skip
    report([
        Row(
            path=f"take-over from a killed {each.service}, session of {SESSION_S} s", baseline="–",
            ours=_after(each.partitions_s), ratio=f"all its markets: {_after(each.markets_s)}",
            target=f"< {MAX_TAKE_OVER_S:.0f} s", reached=each.partitions_s < MAX_TAKE_OVER_S,
        )
        for each in take_overs(stack)
    ])  # fmt: skip


def _after(seconds: float) -> str:
    return f"{seconds:.1f} s" if math.isfinite(seconds) else f"not within {WATCHED_S:.0f} s"


def _latency_row(measured: list[Turn], share: float, orders_per_s: float) -> Row:
    pair = pair_of([(quantile(turn.ours, share), quantile(turn.baseline, share)) for turn in measured])
    is_p99 = share > 0.95
    within = pair.ours_s <= MAX_P99_S if is_p99 else True
    return Row(
        path=f"tick → order acknowledged over Kafka, {MARKETS} markets, {TICKS_PER_S:,} ticks/s, p{share * 100:.0f}",
        ours=f"{millis(pair.ours_s)} ({orders_per_s:.0f} orders/s)", baseline=f"{millis(pair.baseline_s)} (bare hops)",
        ratio=f"{pair.ratio:.2f} ×",
        target=f"≤ {MAX_RATIO} ×" + (f", ≤ {MAX_P99_S * 1e3:.0f} ms" if is_p99 else ""),
        reached=pair.ratio <= MAX_RATIO and within,
    )  # fmt: skip


def image_rows() -> list[Row]:
    """Return the image's size as Docker reports it, with the model runtime included."""
    command = ["docker", "image", "inspect", "--format", "{{.Size}}", IMAGE]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if result.returncode != 0:
        print(f"no image {IMAGE}: make image", file=sys.stderr)
        return []
    megabytes = int(result.stdout) / 1e6
    return [
        Row(
            path=f"image `{IMAGE}`, ONNX Runtime included", ours=f"{megabytes:.0f} MB", baseline="–", ratio="–",
            target=f"< {MAX_IMAGE_MEGABYTES} MB", reached=megabytes < MAX_IMAGE_MEGABYTES,
        )
    ]  # fmt: skip


def main() -> int:
    wanted = selected(PARTS)
    print(f"{machine()}\n", flush=True)
    rows: list[Row] = []

    def report(measured: list[Row]) -> None:
        for row in measured:
            print(" | ".join(row.cells()), flush=True)
        rows.extend(measured)

    if {"ingest", "path"} & set(wanted):
        try:
            with tempfile.TemporaryDirectory(prefix="truebook-bench-") as folder, Stack(Path(folder)) as stack:
                if "ingest" in wanted:
                    report(ingest_rows(stack))
                if "path" in wanted:
                    path_rows(stack, report)
        except pytest.skip.Exception as reason:
            print(f"can't be measured here: {reason}", file=sys.stderr)
            return 3
    if "image" in wanted:
        report(image_rows())
    if "codecs" in wanted:
        report(bench_codecs())
    print(f"\n{table([row.cells() for row in rows])}")
    write(rows, whole=tuple(wanted) == PARTS, mark=KAFKA)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
