"""`truebook why` of a run in one process equals that of an operator over Kafka who reads the same topics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from unittest import mock

import msgspec
import pytest

from support.equal_runs import Silent
from support.made_recordings import make_recording
from truebook.bus.memory.bus import MemoryBus
from truebook.evidence.records import MarketRecord, Snapshot
from truebook.messages.codec import decode
from truebook.messages.envelope import Message
from truebook.messages.topics import TOPICS, Topic
from truebook.runtime.settings import load
from truebook_services.embedded.run import run_to_end
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.operator.cluster import replay
from truebook_services.operator.run_files import read_evidence


class Published:
    """Every message of a run, by topic, in the order of publication."""

    def __init__(self) -> None:
        self.by_topic: dict[str, list[Message]] = {topic.name: [] for topic in TOPICS}
        self.until_us = 0
        """When the evidence was written; what the stop of the services published later is not in it."""

    async def read(self, topic: Topic, since_us: int) -> AsyncIterator[Message]:
        for message in self.by_topic[topic.name]:
            if since_us <= message.produced_us < self.until_us:
                yield message


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Published, Snapshot]:
    """Run a recording in one process; return what was published, and its evidence at the end."""
    folder = tmp_path_factory.mktemp("run")
    published = Published()
    publish = MemoryBus.publish

    async def publish_and_keep(self: MemoryBus, topic: Topic, key: str, value: bytes) -> None:
        published.by_topic[topic.name].append(decode(topic, value))
        await publish(self, topic, key, value)

    async def publish_all_and_keep(self: MemoryBus, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        for key, value in records:
            await publish_and_keep(self, topic, key, value)

    capture = make_recording(folder / "recording", seconds=25)
    settings = load(EmbeddedSettings, capture=capture, speed="max", state_folder=folder / "state")
    with mock.patch.multiple(MemoryBus, publish=publish_and_keep, publish_many=publish_all_and_keep):
        run_to_end(settings, Silent())
    evidence = read_evidence(settings.state_path)
    assert evidence is not None
    published.until_us = evidence.at_us
    return published, evidence


async def test_the_funnel_is_equal(run: tuple[Published, Snapshot]) -> None:
    published, evidence = run
    statistics = await replay(published.read, None, 0)
    assert shown(statistics.evidence.funnel(evidence.at_us)) == shown(evidence.funnel)
    lost = {stage.name: stage.lost for stage in evidence.funnel.stages}
    assert lost["observed"] and sum(stage.count for stage in evidence.funnel.stages[-2:]), "the run is not trivial"


async def test_each_market_is_equal(run: tuple[Published, Snapshot]) -> None:
    published, evidence = run
    assert evidence.markets
    for market in evidence.markets:
        found = (await replay(published.read, market.ticker, 0)).evidence.market(market.ticker)
        assert found is not None
        assert by_field(found) == by_field(market)


def shown(value: msgspec.Struct) -> Any:
    return msgspec.to_builtins(value)


def by_field(record: MarketRecord) -> dict[str, Any]:
    return dict(shown(record))
