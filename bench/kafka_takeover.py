"""Take-over: kill a consumer while a standby runs, and measure how long its markets have no new messages.

Times are read from the topics afterwards (``produced_us``), so that the services are not queried meanwhile.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass

from bench.kafka_read import messages
from bench.kafka_stack import PARTITIONS, Stack
from support.service_processes import ServiceProcess, wait_until
from truebook.bus.partitioner import partition_of
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.topics import ACTIONS, OBSERVATIONS, ORDERS, Topic

TICKS_PER_S = 2_000
WATCHED_S = 9.0
"""Observation time after a kill: longer than a session, a rebalance and a snapshot together."""
BEFORE_S = 2.0
GONE_S = 1.0
"""A partition without messages for this long after the kill belonged to the killed instance."""
NEWEST = 30_000
OUTPUT_TOPICS: dict[str, Topic] = {"observation": OBSERVATIONS, "policy": ACTIONS, "execution": ORDERS}


@dataclass(frozen=True)
class TakeOver:
    """Seconds from the kill to the first message in the last partition, and in the last market.

    Infinite if one did not recover within the observation time: an execution that was killed between reserve and POST
    leaves an order whose absence must be proven before the next reservation.
    """

    service: str
    partitions_s: float
    markets_s: float


def take_overs(stack: Stack) -> list[TakeOver]:
    """Start a standby of each service and kill the first instance, one service after the other."""
    stack.exchange.pace(TICKS_PER_S)
    return [_take_over(stack, name) for name in OUTPUT_TOPICS]


def _take_over(stack: Stack, name: str) -> TakeOver:
    first = stack.services[name]
    stack.start(name, label="standby")
    if name != "execution":
        wait_until(lambda: _partitions(first) * 2 == _partitions(first, at_start=True), 30)
    time.sleep(BEFORE_S)
    killed_us = time.time_ns() // 1000
    first.kill_9()
    time.sleep(WATCHED_S)
    found = asyncio.run(_found(stack.servers, OUTPUT_TOPICS[name], killed_us))
    del stack.services[name]
    return _judge(name, found, killed_us)


def _partitions(process: ServiceProcess, *, at_start: bool = False) -> float:
    kinds = 3 if process.name == "observation" else 1
    return PARTITIONS * kinds if at_start else process.metric("truebook_assigned_partitions")


async def _found(servers: str, topic: Topic, killed_us: int) -> list[tuple[int, str]]:
    """Return (time, market) of the messages around the kill that show the service at work."""
    since_us = killed_us - int(BEFORE_S * 1e6)
    return sorted(
        [
            (message.produced_us, message.ticker)
            async for message in messages(servers, PARTITIONS, topic, since_us, NEWEST)
            if not isinstance(message, OrderEvent) or message.outcome is OrderOutcome.ACKNOWLEDGED
        ]
    )


def _judge(name: str, found: list[tuple[int, str]], killed_us: int) -> TakeOver:
    """For execution all partitions belong to the killed instance and orders need an edge: the first message counts."""
    gone_us = killed_us + int(GONE_S * 1e6)
    alive = {partition_of(ticker, PARTITIONS) for made_us, ticker in found if killed_us < made_us <= gone_us}
    if name == "execution":
        alive = set()
    after: dict[str, int] = {}
    for made_us, ticker in found:
        if made_us > gone_us and partition_of(ticker, PARTITIONS) not in alive:
            after.setdefault(ticker, made_us)
    before = {ticker for made_us, ticker in found if made_us <= killed_us}
    moved = {ticker for ticker in before if partition_of(ticker, PARTITIONS) not in alive}
    if not moved:
        raise AssertionError(f"{name}: it had no market")
    if not moved <= after.keys():
        return TakeOver(name, math.inf, math.inf)
    firsts: dict[int, int] = {}
    for ticker, made_us in after.items():
        partition = partition_of(ticker, PARTITIONS)
        firsts[partition] = min(made_us, firsts.get(partition, made_us))
    return TakeOver(name, (max(firsts.values()) - killed_us) / 1e6, (max(after.values()) - killed_us) / 1e6)
