"""Joining a group is tried again with a new client: the old one can't be started twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from aiokafka import TopicPartition
from aiokafka.errors import UnknownError

from truebook.bus.kafka_connection import KafkaConnection
from truebook.bus.kafka_consumer import KafkaConsumer
from truebook.messages.topics import StartAt, Topic

NEWS = Topic(name="news", carries=(), start_at=StartAt.END)


class Client:
    """Of two clients the first one's join fails half-way, as when another member of its name has come between."""

    made: ClassVar[list[Client]] = []

    def __init__(self, **_: Any) -> None:
        self.made.append(self)
        self.starts = self.stops = 0

    def subscribe(self, topics: list[str], listener: Any) -> None:
        self.topics, self.listener = topics, listener

    async def start(self) -> None:
        self.starts += 1
        assert self.starts == 1, "Did you call `start` twice?"
        await self.listener.on_partitions_assigned([TopicPartition("news", 0)])
        if self is self.made[0]:
            raise UnknownError

    async def stop(self) -> None:
        self.stops += 1

    def pause(self, *_: TopicPartition) -> None: ...
    def resume(self, *_: TopicPartition) -> None: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...

    async def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 7)


class Joining(KafkaConsumer):
    client_of = Client


async def test_a_join_that_failed_half_way_is_tried_again_with_a_new_client() -> None:
    Client.made.clear()
    member = Joining(KafkaConnection(servers="a:1"), "group", [NEWS], None, lambda _: None)
    await member.join(within_s=10)
    first, second = Client.made
    assert (first.starts, first.stops, second.starts, second.stops) == (1, 1, 1, 0)
    assert member.assigned == 1
