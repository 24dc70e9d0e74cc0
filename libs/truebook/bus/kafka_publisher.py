"""Publishing to Kafka: an idempotent producer, replaced by a new one when the broker no longer knows its sequence.

``linger_ms`` is 0: a hop costs about a millisecond, and lingering would add its delay to each. What is published while
a request is under way travels together in the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from truebook.bus.kafka_connection import KafkaConnection
from truebook.bus.kafka_door import entering
from truebook.bus.kafka_errors import PRODUCER_IS_SPENT, translated, translating
from truebook.bus.partitioner import partition_of
from truebook.bus.port import BusClosed, BusError, BusRefused, BusUnavailable

MOST_BATCH_BYTES: Final = 256 * 1024
MOST_RECORD_BYTES: Final = 1_000_000
"""Just below the broker's own default limit, so that the refusal comes from here."""
MOST_BATCHED_BYTES: Final = MOST_BATCH_BYTES // 2
FEWEST_TO_BATCH: Final = 16
"""So many records handed over together are packed here, a future for each batch. Fewer go the client's own way: they
then join what waits for the broker already, instead of waiting until that has left."""
STOP_WITHIN_S: Final = 3.0
RETRY_AFTER_S: Final = 0.25


def choose_partition(key: bytes, all_partitions: list[int], _available: list[int]) -> int:
    """Choose as Kafka's default partitioner does; ours remembers keys, which saves hashing one per record."""
    return all_partitions[partition_of(key.decode(), len(all_partitions))]


class Publisher:
    """The producer of a process. Made anew when it is spent; what failed then is told as ``BusUnavailable``."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._producer: AIOKafkaProducer | None = None
        self._making = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()
        self._closed = False

    async def start(self, within_s: float) -> None:
        """Connect, waiting for a broker that is still starting; raises ``BusUnavailable`` when it does not come."""
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
        """Append one record and wait for the broker's answer."""
        producer = await self._current()
        try:
            await producer.send_and_wait(topic, value, key=key.encode())
        except (KafkaError, OSError) as error:
            raise self._explain(producer, error) from error

    async def publish_many(self, topic: str, records: Sequence[tuple[str, bytes]]) -> None:
        """Append records in their order, then wait for all answers; raises the first failure."""
        producer = await self._current()
        answers: list[asyncio.Future[object]] = []
        try:
            if len(records) < FEWEST_TO_BATCH or any(len(value) > MOST_BATCHED_BYTES for _, value in records):
                for key, value in records:
                    answers.append(await producer.send(topic, value, key=key.encode()))
            else:
                partitions = len(await producer.partitions_for(topic))
                for partition, batch in in_batches(producer, records, partitions):
                    answers.append(await producer.send_batch(batch, topic, partition=partition))
        except (KafkaError, OSError) as error:
            await asyncio.gather(*answers, return_exceptions=True)
            raise self._explain(producer, error) from error
        for outcome in await asyncio.gather(*answers, return_exceptions=True):
            if isinstance(outcome, KafkaError | OSError):
                raise self._explain(producer, outcome) from outcome
            if isinstance(outcome, BaseException):
                raise outcome

    async def probe(self, within_s: float) -> None:
        """Ask the cluster for its metadata; raises ``BusUnavailable`` where it does not answer."""
        producer = await self._current()
        try:
            async with asyncio.timeout(within_s):
                answered = await producer.client.force_metadata_update()
        except TimeoutError as error:
            raise BusUnavailable(f"Kafka at {self._connection.servers} does not answer") from error
        if not answered:
            raise BusUnavailable(f"Kafka at {self._connection.servers} can't be reached")

    async def flush(self) -> None:
        if self._producer is not None:
            with translating():
                await self._producer.flush()

    async def aclose(self) -> None:
        """Send what waits, for a few seconds at most, and close for good."""
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
                max_batch_size=MOST_BATCH_BYTES, max_request_size=MOST_RECORD_BYTES,
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
        """Translate; drop a producer that can't go on: one that is spent, or whose sender has ended."""
        spent = isinstance(error, PRODUCER_IS_SPENT) or type(error) is KafkaError
        if not isinstance(error, KafkaConnectionError) and spent:
            self._discard(producer)
            return BusUnavailable(f"Kafka no longer takes this producer's records, a new one is made: {error!r}")
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
    """Pack records into batches, in their order for each partition; each batch with its partition."""
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
