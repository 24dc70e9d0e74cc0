"""The declarations of topics and partitions become Kafka's settings."""

from __future__ import annotations

import logging

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import GroupLoadInProgressError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import OffsetAndMetadata
from hypothesis import given
from hypothesis import strategies as st

from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.logs import RateLimitFilter
from truebook.bus.kafka.publisher import choose_partition
from truebook.bus.kafka.topics import TopicsAdmin, TopicState, configs_of, differences
from truebook.clock import ManualClock
from truebook.messages.envelope import KEY_SEPARATOR
from truebook.messages.topics import DEAD_LETTERS, JOURNAL, MARKETS, ORDERBOOK, ORDERS, SIGNALS, TOPICS, StartAt, Topic


@given(st.text(min_size=1).filter(lambda key: KEY_SEPARATOR not in key), st.integers(1, 64))
def test_our_partitioner_is_kafkas_default(key: str, partitions: int) -> None:
    every = list(range(partitions))
    raw = key.encode("utf-8", "surrogatepass") if key.isascii() else key.encode("utf-8", "replace")
    assert choose_partition(raw, every, every) == DefaultPartitioner()(raw, every, every)


def test_topics_that_are_read_from_the_start_are_compacted() -> None:
    assert [t.name for t in TOPICS if (t.start_at is StartAt.BEGINNING) != t.compacted] == []


def test_compacted_topics_keep_the_newest_record_of_each_key_for_ever() -> None:
    for topic in (MARKETS, SIGNALS):
        configs = configs_of(topic)
        assert (configs["cleanup.policy"], configs["retention.ms"]) == ("compact", "-1")


def test_the_journal_is_one_partition_and_loses_nothing() -> None:
    configs = configs_of(JOURNAL)
    assert JOURNAL.partitions == 1
    assert [configs[name] for name in ("cleanup.policy", "retention.ms", "retention.bytes")] == ["delete", "-1", "-1"]


def test_market_data_has_a_short_retention_and_small_segments() -> None:
    configs = configs_of(ORDERBOOK)
    assert int(configs["retention.ms"]) == 3_600_000
    assert int(configs["segment.ms"]) * 8 == int(configs["retention.ms"])
    assert int(configs["segment.bytes"]) * 8 == int(configs["retention.bytes"])


def test_a_segment_holds_a_day_at_most() -> None:
    assert int(configs_of(DEAD_LETTERS)["segment.ms"]) == 24 * 3_600_000


def test_a_topics_state_names_its_problem() -> None:
    assert TopicState(name="orders", declared=4, partitions=4).problem is None
    assert TopicState(name="orders", declared=4, partitions=0).problem == "orders is missing"
    assert TopicState(name="orders", declared=4, partitions=3).problem == "orders has 3 partitions instead of 4"


@pytest.mark.parametrize(
    ("topic", "changes", "expected"),
    [
        (JOURNAL, {}, ()),
        (JOURNAL, {"retention.ms": "604800000"}, ("retention.ms 604800000 instead of -1",)),
        (ORDERS, {"retention.ms": "-1"}, ()),
        (ORDERS, {"retention.ms": "1000", "retention.bytes": "5"},
         ("retention.ms 1000 instead of 604800000", "retention.bytes 5 instead of -1")),
        (ORDERS, {"cleanup.policy": "compact"}, ("cleanup.policy compact instead of delete",)),
        (SIGNALS, {"retention.ms": "1000"}, ()),
        (SIGNALS, {"cleanup.policy": "compact,delete"}, ("cleanup.policy compact,delete instead of compact",)),
    ],
)  # fmt: skip
def test_settings_that_lose_records_are_differences(
    topic: Topic, changes: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert differences(topic, configs_of(topic) | changes) == expected


def test_a_user_signs_in_over_tls_where_both_are_given() -> None:
    plain = KafkaConnection(servers="a:1").options()
    assert plain["security_protocol"] == "PLAINTEXT"
    signed = KafkaConnection(servers="a:1", user="u", password="p", tls=True).options()
    assert (signed["security_protocol"], signed["sasl_plain_username"]) == ("SASL_SSL", "u")
    assert KafkaConnection(servers="a:1", user="u", password="p").options()["security_protocol"] == "SASL_PLAINTEXT"
    assert KafkaConnection(servers="a:1", tls=True).options()["security_protocol"] == "SSL"


def line(text: str, *values: object) -> logging.LogRecord:
    return logging.LogRecord("aiokafka.client", logging.ERROR, "", 0, text, values, None)


async def test_equal_log_lines_are_rate_limited_and_counted() -> None:
    clock = ManualClock()
    limit = RateLimitFilter(clock.monotonic_us, every_us=10_000_000)
    assert limit.filter(line("no response from %s", 1))
    assert not limit.filter(line("no response from %s", 2))
    assert not limit.filter(line("no response from %s", 3))
    assert limit.filter(line("another kind")), "kinds are judged apart"
    await clock.advance(10)
    again = line("no response from %s", 4)
    assert limit.filter(again)
    assert again.getMessage() == "no response from 4 (and 2 more like this)"


class StillLoading:
    """An admin client of a broker that has just created its first topics: the first request fails."""

    def __init__(self) -> None:
        self.requests = 0

    async def list_consumer_groups(self) -> list[tuple[str, str]]:
        self.requests += 1
        if self.requests == 1:
            raise GroupLoadInProgressError
        return [("truebook.policy", "consumer"), ("another's", "consumer")]

    async def list_consumer_group_offsets(self, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
        return {TopicPartition("observations", number): OffsetAndMetadata(3, "") for number in (0, 1)}


class Ends:
    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 5)


async def test_the_lag_request_is_retried_while_groups_load() -> None:
    admin = StillLoading()
    lag = await TopicsAdmin(admin, Ends(), 2).lag()  # type: ignore[arg-type]
    assert (lag, admin.requests) == ({"truebook.policy": {"observations": 4}}, 2)
