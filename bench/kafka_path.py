"""From a tick to the acknowledged order over Kafka, in turns with the floor; and what the same processes hold."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from bench.kafka_read import acknowledged, deltas
from bench.kafka_stack import PARTITIONS, Exchange, Floor, Stack

TICKS_PER_S, TICKS_HELD_PER_S = 2_000, 5_000
SECONDS, REPEATS = 8.0, 5
WARM_UP_S, FLOOR_WARM_UP_S, REST_S = 60.0, 15.0, 0.5
"""A young broker compiles its hot code for a minute, on the processors that all share: ticks then take several times as
long."""
HELD_S = 20.0
LEAST_ORDERS = 20
"""Of one turn; fewer have no quantiles."""
LOOK_EVERY_S = 1.0
CALM_WITHIN_S = 10.0
CALM_RECORDS = 500
"""Snapshots and heartbeats of the books go on: a reader has always something before it."""

Window = tuple[int, int]


@dataclass(frozen=True)
class Turn:
    """Seconds that the orders of one turn took."""

    ours: list[float]
    floor: list[float]


@dataclass(frozen=True)
class Held:
    """What came of a higher pace."""

    ticks_per_s: float
    deltas: int
    ticks: int
    most_lag: int
    calm_after_s: float
    lost: int


def turns(stack: Stack, floor: Floor) -> list[Turn]:
    """Ours and the floor tick in turns; one stands still while the other is measured. Ends the floor.

    Without a tick they would go on: what an order does to the book is news, which leads to the next order.

    Turns in which hardly an order was acknowledged are left out: the machine was too busy to be measured.
    """
    windows: list[tuple[Window, Window]] = []
    _ours(stack, floor, WARM_UP_S)
    _floors(stack, floor, FLOOR_WARM_UP_S)
    for _ in range(REPEATS):
        ours = _ours(stack, floor, SECONDS)
        windows.append((ours, _floors(stack, floor, SECONDS)))
    stack.trade(True)
    ours_took = asyncio.run(acknowledged(stack.servers, PARTITIONS))
    floor_took = floor.stop()
    measured = [Turn(_within(ours_took, ours), _within(floor_took, bare)) for ours, bare in windows]
    return [turn for turn in measured if min(len(turn.ours), len(turn.floor)) >= LEAST_ORDERS]


def _ours(stack: Stack, floor: Floor, seconds: float) -> Window:
    floor.trade(False)
    stack.trade(True)
    return _tick(stack.exchange, TICKS_PER_S, seconds)


def _floors(stack: Stack, floor: Floor, seconds: float) -> Window:
    stack.trade(False)
    floor.trade(True)
    return _tick(stack.floor_exchange, TICKS_PER_S, seconds)


def held(stack: Stack) -> Held:
    """Tick faster for a while, look how far the readers are behind, and count what has arrived."""
    started_us, began_s = time.time_ns() // 1000, time.monotonic()
    before = stack.exchange.pace(TICKS_HELD_PER_S)
    most_lag = 0
    while time.monotonic() - began_s < HELD_S:
        time.sleep(LOOK_EVERY_S)
        most_lag = max(most_lag, lag(stack))
    ticks = stack.exchange.pace(0) - before
    took_s, ended_s = time.monotonic() - began_s, time.monotonic()
    while lag(stack) > CALM_RECORDS and time.monotonic() - ended_s < CALM_WITHIN_S:
        time.sleep(LOOK_EVERY_S / 4)
    calm_s = time.monotonic() - ended_s
    return Held(
        ticks / took_s, asyncio.run(deltas(stack.servers, PARTITIONS, started_us)), ticks, most_lag, calm_s, lost(stack)
    )  # fmt: skip


def lag(stack: Stack) -> int:
    """The most records that wait for one service; each looks every two seconds."""
    return max(int(process.metric("truebook_consumer_lag_records")) for process in stack.services.values())


def lost(stack: Stack) -> int:
    """What ingest has let go, and books that a reader could not follow."""
    ingest, observation = stack.services["ingest"], stack.services["observation"]
    gone = sum(ingest.metric(f"truebook_{name}_total") for name in ("collapsed_messages", "stale_books"))
    gaps = sum(
        observation.metric("truebook_observations_refused_total", reason=reason)
        for reason in ("version_gap", "backlog", "no_snapshot")
    )
    return int(gone + gaps)


def _tick(exchange: Exchange, per_s: int, seconds: float) -> Window:
    """Tick for so long; answers from when to when, in UTC microseconds."""
    from_us = time.time_ns() // 1000
    exchange.pace(per_s)
    time.sleep(seconds)
    exchange.pace(0)
    time.sleep(REST_S)
    return from_us, time.time_ns() // 1000


def _within(took: list[tuple[int, int]], window: Window) -> list[float]:
    return [took_us / 1e6 for at_us, took_us in took if window[0] <= at_us < window[1]]
