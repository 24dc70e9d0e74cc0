"""From a tick to the acknowledged order over Kafka, beside the baseline; and the rate that the services sustain."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from bench.kafka_read import acknowledged, deltas
from bench.kafka_stack import PARTITIONS, Baseline, Exchange, Stack

TICKS_PER_S, TICKS_HELD_PER_S = 2_000, 5_000
SECONDS, REPEATS = 8.0, 5
WARM_UP_S, FLOOR_WARM_UP_S, REST_S = 60.0, 15.0, 0.5
"""A new broker compiles its hot code for a minute, on the shared processors: ticks then take several times as long."""
HELD_S = 20.0
MIN_ORDERS = 20
"""Per turn; fewer give no quantiles."""
LOOK_EVERY_S = 1.0
CALM_WITHIN_S = 10.0
CALM_RECORDS = 500
"""Snapshots and heartbeats of the books continue: a reader always has some records to read."""

Window = tuple[int, int]


@dataclass(frozen=True)
class Turn:
    """Latencies in seconds of the orders of one turn."""

    ours: list[float]
    baseline: list[float]


@dataclass(frozen=True)
class Held:
    """The result of a higher rate."""

    ticks_per_s: float
    deltas: int
    ticks: int
    max_lag: int
    calm_after_s: float
    lost: int


def turns(stack: Stack, baseline: Baseline) -> list[Turn]:
    """Tick ours and the baseline in turns, one stopped while the other is measured; stop the baseline at the end.

    Without ticks both would continue: an order changes the book, which triggers the next order. Turns with too few
    acknowledged orders are left out: the machine was too busy.
    """
    windows: list[tuple[Window, Window]] = []
    _ours(stack, baseline, WARM_UP_S)
    _baseline(stack, baseline, FLOOR_WARM_UP_S)
    for _ in range(REPEATS):
        ours = _ours(stack, baseline, SECONDS)
        windows.append((ours, _baseline(stack, baseline, SECONDS)))
    stack.trade(True)
    ours_took = asyncio.run(acknowledged(stack.servers, PARTITIONS))
    baseline_took = baseline.stop()
    measured = [Turn(_within(ours_took, ours), _within(baseline_took, bare)) for ours, bare in windows]
    return [turn for turn in measured if min(len(turn.ours), len(turn.baseline)) >= MIN_ORDERS]


def _ours(stack: Stack, baseline: Baseline, seconds: float) -> Window:
    baseline.trade(False)
    stack.trade(True)
    return _tick(stack.exchange, TICKS_PER_S, seconds)


def _baseline(stack: Stack, baseline: Baseline, seconds: float) -> Window:
    stack.trade(False)
    baseline.trade(True)
    return _tick(stack.baseline_exchange, TICKS_PER_S, seconds)


def held(stack: Stack) -> Held:
    """Tick at a higher rate for a while; measure the readers' lag and count the received deltas."""
    started_us, began_s = time.time_ns() // 1000, time.monotonic()
    before = stack.exchange.pace(TICKS_HELD_PER_S)
    max_lag = 0
    while time.monotonic() - began_s < HELD_S:
        time.sleep(LOOK_EVERY_S)
        max_lag = max(max_lag, lag(stack))
    ticks = stack.exchange.pace(0) - before
    took_s, ended_s = time.monotonic() - began_s, time.monotonic()
    while lag(stack) > CALM_RECORDS and time.monotonic() - ended_s < CALM_WITHIN_S:
        time.sleep(LOOK_EVERY_S / 4)
    calm_s = time.monotonic() - ended_s
    return Held(
        ticks / took_s, asyncio.run(deltas(stack.servers, PARTITIONS, started_us)), ticks, max_lag, calm_s, lost(stack)
    )  # fmt: skip


def lag(stack: Stack) -> int:
    """Return the largest lag of a service in records; each service checks every two seconds."""
    return max(int(process.metric("truebook_consumer_lag_records")) for process in stack.services.values())


def lost(stack: Stack) -> int:
    """Count frames that ingest dropped and books that a reader could not follow."""
    ingest, observation = stack.services["ingest"], stack.services["observation"]
    gone = sum(ingest.metric(f"truebook_{name}_total") for name in ("collapsed_messages", "stale_books"))
    gaps = sum(
        observation.metric("truebook_observations_refused_total", reason=reason)
        for reason in ("version_gap", "backlog", "no_snapshot")
    )
    return int(gone + gaps)


def _tick(exchange: Exchange, per_s: int, seconds: float) -> Window:
    """Tick for this long; return start and end in UTC microseconds."""
    from_us = time.time_ns() // 1000
    exchange.pace(per_s)
    time.sleep(seconds)
    exchange.pace(0)
    time.sleep(REST_S)
    return from_us, time.time_ns() // 1000


def _within(took: list[tuple[int, int]], window: Window) -> list[float]:
    return [took_us / 1e6 for at_us, took_us in took if window[0] <= at_us < window[1]]
