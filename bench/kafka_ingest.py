"""Ingest → Kafka, one record per delta, from one process: ``python -m bench.kafka_ingest SERVERS PARTITIONS``.

The real service on a scripted exchange in the same process; at most ``IN_FLIGHT`` deltas are in flight. It alternates
with the baseline: a bare aiokafka loop that sends records with the same keys and sizes. At the end the topic is read
back: every version of every market must be there, in order. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from bench.kafka_exchange import tickers
from bench.kafka_read import deltas as delivered
from bench.measure import no_collection
from bench.pipeline import Pipeline
from support.services import opened_ledger
from truebook.bus.kafka.bus import KafkaBus
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.publisher import MAX_BATCH_BYTES, choose_partition
from truebook.messages.topics import ORDERBOOK, Topic
from truebook.runtime.logs import configure_logs
from truebook.runtime.loop import run_until_done
from truebook_services.ingest.service import build
from truebook_services.observation.settings import ObservationSettings
from truebook_services.paper_exchange.stream.subscriptions import StreamChannel

MARKETS = 300
DELTAS = 40_000
REPEATS = 5
IN_FLIGHT = 4_000
BURST = 500
SNAPSHOT_EVERY_S = 2.0
FLOOR_TOPIC = "baseline.ingest"
READY_WITHIN_S = 60.0


class CountingBus(KafkaBus):
    """Counts the records acknowledged by Kafka and keeps a sample of them."""

    acknowledged = 0
    sample: Sequence[tuple[str, bytes]] = ()

    async def publish_many(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        await super().publish_many(topic, records)
        if topic is ORDERBOOK:
            deltas = [record for record in records if b'"type":"book_delta"' in record[1][:64]]
            self.acknowledged += len(deltas)
            self.sample = deltas or self.sample


async def flood(pipeline: Pipeline, bus: CountingBus, count: int) -> tuple[float, float]:
    """Return the seconds from the first frame to the last acknowledged record, and this process's CPU seconds."""
    frames, before = pipeline.frames(count), bus.acknowledged
    with no_collection():
        started_s, cpu_s = time.perf_counter(), time.process_time()
        for start in range(0, count, BURST):
            while start - (bus.acknowledged - before) > IN_FLIGHT:
                await asyncio.sleep(0.0005)
            pipeline.connection.deliver(*frames[start : start + BURST])
            await asyncio.sleep(0)
        while bus.acknowledged - before < count:
            await asyncio.sleep(0.0005)
        return time.perf_counter() - started_s, time.process_time() - cpu_s


async def bare(servers: str, records: Sequence[tuple[str, bytes]], count: int) -> tuple[float, float]:
    """Do the same with a bare producer and the same settings."""
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, enable_idempotence=True, acks="all", linger_ms=0, partitioner=choose_partition,
        max_batch_size=MAX_BATCH_BYTES,
    )  # fmt: skip
    await producer.start()
    try:
        started_s, cpu_s = time.perf_counter(), time.process_time()
        for index in range(count):
            key, value = records[index % len(records)]
            await producer.send(FLOOR_TOPIC, value, key=key.encode())
        await producer.flush()
        return time.perf_counter() - started_s, time.process_time() - cpu_s
    finally:
        await producer.stop()


def megabytes() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def measure(servers: str, partitions: int) -> dict[str, Any]:
    bus, ledger = await CountingBus.connect(KafkaConnection(servers=servers)), await opened_ledger()
    pipeline = Pipeline(MARKETS, ObservationSettings(), SNAPSHOT_EVERY_S, bus=bus)  # type: ignore[arg-type]
    assert pipeline.tickers == tickers(MARKETS)
    context = pipeline.context("ingest")
    service = build(context, pipeline.ingest, rest=pipeline.exchange, connector=pipeline.exchange, ledger=ledger)
    stop, since_us = asyncio.Event(), pipeline.clock.now_us()
    running = asyncio.ensure_future(service.run(stop))
    give_up_at = time.monotonic() + READY_WITHIN_S
    while service.not_ready():
        if time.monotonic() > give_up_at or running.done():
            raise AssertionError(f"ingest is not ready: {service.not_ready()}")
        await asyncio.sleep(0.05)
    await flood(pipeline, bus, DELTAS)
    sample = list(bus.sample)
    await bare(servers, sample, DELTAS)
    grown = megabytes()
    times = [(await flood(pipeline, bus, DELTAS), await bare(servers, sample, DELTAS)) for _ in range(REPEATS)]
    grown = megabytes() - grown
    lost = pipeline.count("ingest", "collapsed_messages") + pipeline.count("ingest", "books_invalidated")
    stop.set()
    await running
    sent = pipeline.connection.next_seq(StreamChannel.ORDERBOOK) - 1 - MARKETS
    found = await delivered(servers, partitions, since_us)
    await bus.aclose()
    return {
        "times": times, "deltas": DELTAS, "grown": grown, "megabytes": megabytes(), "lost": lost, "sent": sent,
        "delivered": found, "bytes": sum(len(value) for _, value in sample) / len(sample),
    }  # fmt: skip


if __name__ == "__main__":
    configure_logs("error", json=True, file=None)
    print(json.dumps(run_until_done(measure(sys.argv[1], int(sys.argv[2])))))
