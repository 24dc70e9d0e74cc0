"""Publish to Kafka with an idempotent producer, which is replaced when the broker no longer accepts its sequence.

``linger_ms`` is 0: a hop takes about a millisecond, and lingering would add its delay to each. Records published
while a request is in flight are sent together in the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from truebook.bus.kafka.connect import entering
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.errors import PRODUCER_INVALID, translated, translating
from truebook.bus.partitioner import partition_of
from truebook.bus.port import BusClosed, BusError, BusRefused, BusUnavailable

MAX_BATCH_BYTES: Final = 256 * 1024
MAX_RECORD_BYTES: Final = 1_000_000
"""Just below the broker's default limit, so that the client refuses larger ones itself."""
MAX_BATCHED_VALUE_BYTES: Final = MAX_BATCH_BYTES // 2
MIN_TO_BATCH: Final = 16
"""From so many records on, batches are packed here, with one future per batch. Fewer are left to the client: they join
its pending batches instead of waiting until those are sent."""
STOP_WITHIN_S: Final = 3.0
RETRY_AFTER_S: Final = 0.25


def choose_partition(key: bytes, all_partitions: list[int], _available: list[int]) -> int:
    """Choose as Kafka's default partitioner does, with a cache of keys instead of a hash per record."""
    return all_partitions[partition_of(key.decode(), len(all_partitions))]


class Publisher:
    """The producer of a process, replaced when it is invalid; what failed then is raised as ``BusUnavailable``."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._producer: AIOKafkaProducer | None = None
        self._making = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()
        self._closed = False

    async def start(self, within_s: float) -> None:
        """Connect, waiting for a broker that is still starting; raises ``BusUnavailable`` at the deadline."""
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            try:
                await self._current()
                return
            except BusUnavailable:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
                await asyncio.sleep(RETRY_AFTER_S)

    async def publish(self, topic: str, key: str, value: bytes) -> None:
        """Append one record and wait for the broker's acknowledgement."""
        producer = await self._current()
        try:
            await producer.send_and_wait(topic, value, key=key.encode())
        except (KafkaError, OSError) as error:
            raise self._explain(producer, error) from error

    async def publish_many(self, topic: str, records: Sequence[tuple[str, bytes]]) -> None:
        """Append records in order, then wait for all acknowledgements; raises the first failure."""
        producer = await self._current()
        acknowledgements: list[asyncio.Future[object]] = []
        try:
            if len(records) < MIN_TO_BATCH or any(len(value) > MAX_BATCHED_VALUE_BYTES for _, value in records):
                for key, value in records:
                    acknowledgements.append(await producer.send(topic, value, key=key.encode()))
            else:
                partitions = len(await producer.partitions_for(topic))
                for partition, batch in in_batches(producer, records, partitions):
                    acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
        except (KafkaError, OSError) as error:
            await asyncio.gather(*acknowledgements, return_exceptions=True)
            raise self._explain(producer, error) from error
        for outcome in await asyncio.gather(*acknowledgements, return_exceptions=True):
            if isinstance(outcome, KafkaError | OSError):
                raise self._explain(producer, outcome) from outcome
            if isinstance(outcome, BaseException):
                raise outcome

    async def probe(self, within_s: float) -> None:
        """Request the cluster's metadata; raises ``BusUnavailable`` if it does not respond."""
        producer = await self._current()
        try:
            async with asyncio.timeout(within_s):
                responded = await producer.client.force_metadata_update()
        except TimeoutError as error:
            raise BusUnavailable(f"Kafka at {self._connection.servers} does not respond") from error
        if not responded:
            raise BusUnavailable(f"Kafka at {self._connection.servers} can't be reached")

    async def flush(self) -> None:
        if self._producer is not None:
            with translating():
                await self._producer.flush()

    async def aclose(self) -> None:
        """Send what is queued, for a few seconds at most, and close."""
        self._closed = True
        if self._producer is not None:
            self._discard(self._producer)
        if self._stopping:
            await asyncio.gather(*self._stopping, return_exceptions=True)

    async def _current(self) -> AIOKafkaProducer:
        if self._closed:
            raise BusClosed("the bus is closed")
        if self._producer is None:
            async with self._making:
                if self._producer is None:
                    self._producer = await self._make()
        return self._producer

    async def _make(self) -> AIOKafkaProducer:
        connection = self._connection
        try:
            producer = AIOKafkaProducer(
                **connection.options(), enable_idempotence=True, acks="all", linger_ms=0,
                compression_type=connection.compression, partitioner=choose_partition,
                max_batch_size=MAX_BATCH_BYTES, max_request_size=MAX_RECORD_BYTES,
            )  # fmt: skip
        except RuntimeError as error:
            raise BusRefused(f"compression {connection.compression}: {error}; install `cramjam`") from error
        try:
            async with entering(connection):
                await producer.start()
        except BusError:
            await producer.stop()
            raise
        return producer

    def _explain(self, producer: AIOKafkaProducer, error: Exception) -> BusError:
        """Translate an error; discard a producer that is invalid or whose sender task has ended."""
        invalid = isinstance(error, PRODUCER_INVALID) or type(error) is KafkaError
        if not isinstance(error, KafkaConnectionError) and invalid:
            self._discard(producer)
            return BusUnavailable(f"Kafka no longer accepts this producer's records; it is replaced: {error!r}")
        return BusClosed("the bus is closed") if self._closed else translated(error)

    def _discard(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
            task = asyncio.get_running_loop().create_task(_stop(producer))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)


def in_batches(
    producer: AIOKafkaProducer, records: Sequence[tuple[str, bytes]], partitions: int
) -> Iterator[tuple[int, BatchBuilder]]:
    """Pack records into batches, in order per partition; yield each with its partition."""
    filling: dict[int, BatchBuilder] = {}
    for key, value in records:
        partition = partition_of(key, partitions)
        batch = filling.get(partition)
        if batch is None:
            batch = filling[partition] = producer.create_batch()
        if batch.append(timestamp=None, key=key.encode(), value=value) is None:
            yield partition, batch
            batch = filling[partition] = producer.create_batch()
            batch.append(timestamp=None, key=key.encode(), value=value)
    yield from filling.items()


async def _stop(producer: AIOKafkaProducer) -> None:
    with suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(STOP_WITHIN_S):
            await producer.stop()
