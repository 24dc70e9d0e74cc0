"""A failed join is retried with a new client, and a commit has a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, ClassVar

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import UnknownError

from truebook.bus.kafka import consumer
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.consumer import KafkaConsumer
from truebook.bus.port import BusUnavailable, Partition
from truebook.messages.topics import StartAt, Topic

EVENTS = Topic(name="events", carries=(), start_at=StartAt.END)


class Client:
    """A client; the first one's join fails half-way, as when another member of its name joins in between."""

    made: ClassVar[list[Client]] = []

    def __init__(self, **_: Any) -> None:
        self.made.append(self)
        self.starts = self.stops = 0

    def subscribe(self, topics: list[str], listener: Any) -> None:
        self.topics, self.listener = topics, listener

    async def start(self) -> None:
        self.starts += 1
        assert self.starts == 1, "Did you call `start` twice?"
        await self.listener.on_partitions_assigned([TopicPartition("events", 0)])
        if self is self.made[0]:
            raise UnknownError

    async def stop(self) -> None:
        self.stops += 1

    @property
    def _coordinator(self) -> Client:
        return self

    member_id = "first"

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("events", 0)}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        await asyncio.Event().wait()

    async def getmany(self, **_: Any) -> dict[TopicPartition, list[Any]]:
        return {}

    def pause(self, *_: TopicPartition) -> None: ...
    def resume(self, *_: TopicPartition) -> None: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...

    async def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 7)


class Joining(KafkaConsumer):
    client_of = Client


async def test_a_failed_join_is_retried_with_a_new_client() -> None:
    Client.made.clear()
    member = Joining(KafkaConnection(servers="a:1"), "group", [EVENTS], None, lambda _: None)
    await member.join(within_s=10)
    first, second = Client.made
    assert (first.starts, first.stops, second.starts, second.stops) == (1, 1, 1, 0)
    assert member.assigned == 1


async def test_a_commit_without_a_broker_ends_as_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client retries a commit for ever: a consumer that stops would never end."""
    monkeypatch.setattr(consumer, "COMMIT_WITHIN_S", 0.01)
    Client.made.clear()
    member = Joining(KafkaConnection(servers="a:1"), "group", [EVENTS], None, lambda _: None)
    await member.join(within_s=10)
    with pytest.raises(BusUnavailable, match="has not stored a commit"):
        await member.commit({Partition("events", 0): 1})


async def test_a_member_that_is_replaced_again_and_again_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client joins again without an error: two processes of one name replace each other in turn."""
    Client.made.clear()
    member = Joining(KafkaConnection(servers="a:1", instance="same"), "group", [EVENTS], None, lambda _: None)
    await member.join(within_s=10)
    for number in range(3):
        assert await member.poll(10, 0) == []
        monkeypatch.setattr(Client, "member_id", f"later-{number}")
        member._assign([TopicPartition("events", 0)])
    with pytest.raises(BusUnavailable, match="under the same name"):
        await member.poll(10, 0)
    assert await member.poll(10, 0) == [], "reported once"


async def test_a_member_without_a_name_may_get_any_number_of_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    Client.made.clear()
    member = Joining(KafkaConnection(servers="a:1"), "group", [EVENTS], None, lambda _: None)
    await member.join(within_s=10)
    for number in range(6):
        monkeypatch.setattr(Client, "member_id", f"later-{number}")
        member._assign([TopicPartition("events", 0)])
        assert await member.poll(10, 0) == []
