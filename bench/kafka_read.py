"""What the topics contain afterwards: the services are not queried while they are measured."""

from __future__ import annotations

from collections.abc import AsyncIterator

from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.reading import read_topic
from truebook.messages.codec import decode
from truebook.messages.envelope import Message
from truebook.messages.orderbook import BookDelta
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.topics import ORDERBOOK, ORDERS, Topic


async def messages(
    servers: str, partitions: int, topic: Topic, since_us: int, newest: int = 200_000
) -> AsyncIterator[Message]:
    """Return the records since then, in order per market."""
    async for record in read_topic(KafkaConnection(servers=servers), topic, partitions, newest=newest):
        message = decode(topic, record.value)
        if message.produced_us >= since_us:
            yield message


async def deltas(servers: str, partitions: int, since_us: int) -> int:
    """Count the deltas since then; raise if a version of a market is missing or out of order."""
    versions: dict[str, int] = {}
    count = 0
    async for message in messages(servers, partitions, ORDERBOOK, since_us):
        if not isinstance(message, BookDelta):
            continue
        before = versions.get(message.ticker)
        if before is not None and message.version != before + 1:
            raise AssertionError(f"{message.ticker}: version {before} is followed by {message.version}")
        versions[message.ticker] = message.version
        count += 1
    return count


async def acknowledged(servers: str, partitions: int) -> list[tuple[int, int]]:
    """Return when each order was acknowledged and its latency from the frame that released its observation.

    Both in microseconds. The wait for the throttle is excluded by execution's own measurement up to the POST; the rest
    is the difference of two times recorded by execution.
    """
    sent: dict[str, OrderEvent] = {}
    took = []
    async for message in messages(servers, partitions, ORDERS, 0):
        if not isinstance(message, OrderEvent):
            continue
        if message.outcome is OrderOutcome.SENT:
            sent[message.client_order_id] = message
        elif message.outcome is OrderOutcome.ACKNOWLEDGED:
            start = sent.pop(message.client_order_id)
            to_send_us = start.tick_to_send_us or 0
            took.append((message.produced_us, to_send_us + message.produced_us - start.produced_us))
    return took
