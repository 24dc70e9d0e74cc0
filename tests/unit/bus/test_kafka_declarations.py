"""What is declared of topics and partitions becomes what Kafka is told."""

from __future__ import annotations

import logging

from aiokafka import TopicPartition
from aiokafka.errors import GroupLoadInProgressError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import OffsetAndMetadata
from hypothesis import given
from hypothesis import strategies as st

from truebook.bus.kafka_connection import KafkaConnection
from truebook.bus.kafka_logs import Seldom
from truebook.bus.kafka_publisher import choose_partition
from truebook.bus.topics_admin import TopicsAdmin, TopicState, configs_of
from truebook.clock import ManualClock
from truebook.messages.topics import DEAD_LETTERS, JOURNAL, MARKETS, ORDERBOOK, SIGNALS, TOPICS, StartAt


@given(st.text(min_size=1), st.integers(1, 64))
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


def test_old_market_news_go_soon_and_in_small_pieces() -> None:
    configs = configs_of(ORDERBOOK)
    assert int(configs["retention.ms"]) == 3_600_000
    assert int(configs["segment.ms"]) * 8 == int(configs["retention.ms"])
    assert int(configs["segment.bytes"]) * 8 == int(configs["retention.bytes"])


def test_a_segment_holds_a_day_at_most() -> None:
    assert int(configs_of(DEAD_LETTERS)["segment.ms"]) == 24 * 3_600_000


def test_a_topics_state_tells_what_is_wrong_with_it() -> None:
    assert TopicState(name="orders", declared=4, partitions=4).problem is None
    assert TopicState(name="orders", declared=4, partitions=0).problem == "orders is missing"
    assert TopicState(name="orders", declared=4, partitions=3).problem == "orders has 3 partitions instead of 4"


def test_a_user_signs_in_over_tls_where_both_are_given() -> None:
    plain = KafkaConnection(servers="a:1").options()
    assert plain["security_protocol"] == "PLAINTEXT"
    signed = KafkaConnection(servers="a:1", user="u", password="p", tls=True).options()
    assert (signed["security_protocol"], signed["sasl_plain_username"]) == ("SASL_SSL", "u")
    assert KafkaConnection(servers="a:1", user="u", password="p").options()["security_protocol"] == "SASL_PLAINTEXT"
    assert KafkaConnection(servers="a:1", tls=True).options()["security_protocol"] == "SSL"


def line(text: str, *values: object) -> logging.LogRecord:
    return logging.LogRecord("aiokafka.client", logging.ERROR, "", 0, text, values, None)


async def test_a_line_of_one_kind_is_written_once_in_a_while_and_tells_how_many_it_held() -> None:
    clock = ManualClock()
    seldom = Seldom(clock.monotonic_us, every_us=10_000_000)
    assert seldom.filter(line("no answer from %s", 1))
    assert not seldom.filter(line("no answer from %s", 2))
    assert not seldom.filter(line("no answer from %s", 3))
    assert seldom.filter(line("another kind")), "kinds are judged apart"
    await clock.advance(10)
    again = line("no answer from %s", 4)
    assert seldom.filter(again)
    assert again.getMessage() == "no answer from 4 (and 2 more like this)"


class StillLoading:
    """An admin client of a broker that has just made its first topics: it can't tell of groups at once."""

    def __init__(self) -> None:
        self.asked = 0

    async def list_consumer_groups(self) -> list[tuple[str, str]]:
        self.asked += 1
        if self.asked == 1:
            raise GroupLoadInProgressError
        return [("truebook.policy", "consumer"), ("another's", "consumer")]

    async def list_consumer_group_offsets(self, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
        return {TopicPartition("observations", number): OffsetAndMetadata(3, "") for number in (0, 1)}


class Ends:
    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 5)


async def test_the_lag_is_asked_again_of_a_broker_that_is_still_loading_its_groups() -> None:
    admin = StillLoading()
    lag = await TopicsAdmin(admin, Ends(), 2).lag()  # type: ignore[arg-type]
    assert (lag, admin.asked) == ({"truebook.policy": {"observations": 4}}, 2)
