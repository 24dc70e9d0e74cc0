"""Compression: pack and unpack our own messages in batches of the usual sizes with each codec.

Measures CPU and bytes, without a broker. lz4, zstd and snappy need `cramjam`, which Truebook does not depend on:
without it they are skipped.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from bench.measure import Row, cpu_s, micros
from bench.pipeline import running
from truebook.bus.kafka.publisher import MAX_BATCH_BYTES
from truebook.bus.memory.bus import MemoryBus
from truebook.messages.topics import OBSERVATIONS, ORDERBOOK, Topic

MARKETS, FRAMES = 300, 4_000
RECORDS = 2_000
BATCHES: Final = {"orderbook": 10, "observations": 4}
"""Records per batch at 2,000 ticks/s over four partitions."""
CODECS: Final = {"none": 0, "gzip": 1, "lz4": 3, "zstd": 4}
REPEATS = 5

Records = Sequence[tuple[str, bytes]]


class KeepingBus(MemoryBus):
    """Records what is published."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, list[tuple[str, bytes]]] = {name: [] for name in BATCHES}

    async def publish_many(self, topic: Topic, records: Records) -> None:
        if topic.name in self.kept:
            self.kept[topic.name] += records
        await super().publish_many(topic, records)


async def sample() -> dict[str, Records]:
    """Return messages as ingest and observation build them."""
    bus = KeepingBus()
    async with running(MARKETS, bus=bus) as pipeline:
        while min(map(len, bus.kept.values())) < RECORDS:
            await pipeline.flood(FRAMES)
            await asyncio.sleep(0.3)
    return {topic.name: bus.kept[topic.name][-RECORDS:] for topic in (ORDERBOOK, OBSERVATIONS)}


def packed(records: Records, size: int, codec: int) -> list[bytes]:
    """Build batches of that many records."""
    made = []
    for start in range(0, len(records), size):
        builder = DefaultRecordBatchBuilder(
            2, codec, is_transactional=0, producer_id=1, producer_epoch=0, base_sequence=0, batch_size=MAX_BATCH_BYTES
        )
        for offset, (key, value) in enumerate(records[start : start + size]):
            builder.append(offset, 1, key=key.encode(), value=value, headers=[])
        made.append(bytes(builder.build()))
    return made


def unpacked(batches: Sequence[bytes]) -> int:
    return sum(len(record.value) for batch in batches for record in DefaultRecordBatch(batch))


def bench() -> list[Row]:
    codecs = CODECS if importlib.util.find_spec("cramjam") else {name: CODECS[name] for name in ("none", "gzip")}
    return [_row(topic, records, codecs) for topic, records in asyncio.run(sample()).items()]


def _row(topic: str, records: Records, codecs: Mapping[str, int]) -> Row:
    size, cells = BATCHES[topic], []
    for name, codec in codecs.items():
        batches = packed(records, size, codec)
        pack_s = cpu_s(partial(packed, records, size, codec), len(records), REPEATS)
        unpack_s = cpu_s(partial(unpacked, batches), len(records), REPEATS)
        cells.append(f"{name} {micros(pack_s + unpack_s)}, {sum(map(len, batches)) / len(records):.0f} bytes")
    return Row(
        path=f"packing and unpacking a record of `{topic}`, batches of {size}", ours="; ".join(cells), baseline="–",
        ratio="–", target="–", reached=None,
    )  # fmt: skip
