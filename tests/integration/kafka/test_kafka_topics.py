"""Topics are created as declared, refused if they differ, and listed with their readers' lag."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from support.bus_contract import behind, take
from support.kafka_broker import broker, create_topic
from support.processes import last_json, truebook
from support.samples import samples
from truebook.bus.kafka.bus import KafkaBus
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.reading import read_topic
from truebook.bus.kafka.topics import TopicsAdmin
from truebook.bus.port import BusUnavailable, TopicMismatch
from truebook.messages.codec import encode
from truebook.messages.topics import DEAD_LETTERS, ORDERS, TOPICS, StartAt, Topic

pytestmark = [pytest.mark.containers]

PARTITIONS = 3


def declared() -> list[Topic]:
    """Topics of this test alone."""
    stem = f"topics-{uuid.uuid4().hex[:8]}"
    return [
        Topic(name=f"{stem}-facts", carries=(), start_at=StartAt.BEGINNING, compacted=True),
        Topic(name=f"{stem}-events", carries=(), start_at=StartAt.COMMITTED, retention_s=3_600),
        Topic(name=f"{stem}-journal", carries=(), start_at=StartAt.COMMITTED, partitions=1),
    ]


async def test_creating_twice_is_creating_once(kafka_address: str) -> None:
    topics, connection = declared(), KafkaConnection(servers=kafka_address)
    async with TopicsAdmin.connected(connection, PARTITIONS, topics=topics) as admin:
        assert [state.problem for state in await admin.states()] == [f"{topic.name} is missing" for topic in topics]
        assert await admin.create() == [topic.name for topic in topics]
        assert await admin.create() == []
        assert [state.partitions for state in await admin.states()] == [PARTITIONS, PARTITIONS, 1]
        await admin.check()


async def test_a_wrong_partition_count_is_refused_and_left_alone(kafka_address: str) -> None:
    topics, connection = declared(), KafkaConnection(servers=kafka_address)
    await create_topic(kafka_address, topics[1].name, PARTITIONS + 1)
    async with TopicsAdmin.connected(connection, PARTITIONS, topics=topics) as admin:
        for attempt in (admin.check, admin.create):
            with pytest.raises(TopicMismatch, match=r"has 4 partitions instead of 3.*TRUEBOOK_KAFKA_PARTITIONS"):
                await attempt()
        assert (await admin.states())[1].partitions == PARTITIONS + 1


async def test_another_compaction_or_a_shorter_retention_is_shown(kafka_address: str) -> None:
    topics, connection = declared(), KafkaConnection(servers=kafka_address)
    settings = ({"cleanup.policy": "delete"}, {"retention.ms": "60000"}, {})
    for topic, configs in zip(topics, settings, strict=True):
        await create_topic(kafka_address, topic.name, topic.partitions or PARTITIONS, **configs)
    async with TopicsAdmin.connected(connection, PARTITIONS, topics=topics) as admin:
        facts, events, journal = await admin.states()
    assert facts.problem == f"{facts.name} has cleanup.policy delete instead of compact"
    assert events.problem == f"{events.name} has retention.ms 60000 instead of 3600000"
    assert journal.problem == f"{journal.name} has retention.ms 604800000 instead of -1", "the broker's default"


async def test_a_missing_topic_is_named_with_what_to_do(kafka_address: str) -> None:
    topics, connection = declared(), KafkaConnection(servers=kafka_address)
    async with TopicsAdmin.connected(connection, PARTITIONS, topics=topics) as admin:
        with pytest.raises(TopicMismatch, match=f"{topics[0].name} is missing.*truebook topics --create"):
            await admin.check()


async def test_a_wrong_address_is_unavailable() -> None:
    with pytest.raises(BusUnavailable):
        async with TopicsAdmin.connected(KafkaConnection(servers="127.0.0.1:1"), PARTITIONS, within_s=0.1):
            raise AssertionError("never")


async def test_the_lag_counts_records_after_a_groups_commits(kafka_address: str) -> None:
    topics, connection = declared(), KafkaConnection(servers=kafka_address)
    group = f"truebook.test-{uuid.uuid4().hex[:8]}"
    async with TopicsAdmin.connected(connection, PARTITIONS, topics=topics) as admin:
        await admin.create()
        bus = await KafkaBus.connect(connection)
        consumer = await bus.consumer(group, [topics[1]])
        for _ in range(5):
            await bus.publish(topics[1], "one", b"x")
        await consumer.commit(behind(await take(consumer, 2)))
        assert (await admin.lag())[group] == {topics[1].name: 3}
        assert (await admin.states())[1].records == 5
        await bus.aclose()


async def test_a_topic_is_read_once_to_where_it_ended_then(kafka_address: str) -> None:
    topics, connection = declared(), KafkaConnection(servers=kafka_address)
    async with TopicsAdmin.connected(connection, PARTITIONS, topics=topics) as admin:
        await admin.create()
    bus = await KafkaBus.connect(connection)
    for number in range(20):
        await bus.publish(topics[1], f"k{number}", b"%d" % number)
    await bus.aclose()
    found = [record async for record in read_topic(connection, topics[1], PARTITIONS)]
    assert sorted(int(record.value) for record in found) == list(range(20))
    assert [record async for record in read_topic(connection, topics[2], PARTITIONS)] == []


async def test_the_command_lists_dead_letters_explains_them_and_replays_one(kafka_address: str, tmp_path: Path) -> None:
    settings = {"TRUEBOOK_KAFKA_SERVERS": kafka_address}
    connection = KafkaConnection(servers=kafka_address)
    async with TopicsAdmin.connected(connection, 4) as admin:
        await admin.create()
    name = uuid.uuid4().hex
    letter = json.loads(encode(samples()["dead_letters.dead_letter"])) | {
        "id": name, "origin": "orders", "ticker": f"KX-{name}", "payload": '{"type":"order_event","v":2}',
        "reason": "unknown_version",
    }  # fmt: skip
    bus = await KafkaBus.connect(connection)
    for value in (json.dumps(letter).encode(), json.dumps(letter).encode(), b"not a letter"):
        await bus.publish(DEAD_LETTERS, "orders", value)
    await bus.aclose()

    shown = last_json(truebook(tmp_path, "dead-letters", "--json", **settings).stdout)
    listed = {row["id"]: row for row in shown["dead_letters"]}
    assert (listed[name]["times"], listed[name]["key"]) == (2, f"KX-{name}")
    assert "upgrade this service" in listed[name]["explanation"]

    replayed = truebook(tmp_path, "dead-letters", "--replay", name[:20], "--json", **settings)
    assert replayed.returncode == 0, replayed.stderr
    back = [record async for record in read_topic(connection, ORDERS, 4) if record.key == f"KX-{name}"]
    assert [record.value for record in back] == [letter["payload"].encode()]


@pytest.mark.long
def test_the_topics_command_exits_with_3_for_wrong_partitions(tmp_path: Path) -> None:
    with broker() as address:  # of its own: other tests create topics of the product with the broker's defaults
        settings = {"TRUEBOOK_KAFKA_SERVERS": address}
        created = truebook(tmp_path, "topics", "--create", "--json", **settings)
        assert created.returncode == 0, created.stderr
        assert last_json(created.stdout)["topics"]["journal"]["partitions"] == 1
        wrong = truebook(tmp_path, "topics", "--json", TRUEBOOK_KAFKA_PARTITIONS="5", **settings)
    assert wrong.returncode == 3
    by_market = [topic for topic in TOPICS if topic.partitions is None]
    assert len(last_json(wrong.stdout)["problems"]) == len(by_market), "the others have one partition whatever is set"
    assert "instead of 5" in wrong.stderr
