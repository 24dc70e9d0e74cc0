"""The ledger's journal on a real broker: read at the next start, and used to restore a lost ledger."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from support.journals import LOG, numbered, unhashed
from support.services import make_context
from truebook.bus.kafka.bus import KafkaBus
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.reading import read_topic
from truebook.bus.port import Record
from truebook.clock import ManualClock
from truebook.ledger.journal.chain import hash_of
from truebook.ledger.journal.verify import verify_entries
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.verbs import NextNumber
from truebook.messages.topics import JOURNAL
from truebook.runtime.settings import TruebookSettings
from truebook_services.operator.journal_reading import open_topic
from truebook_services.reconciler.journal_topic import TopicJournal
from truebook_services.reconciler.recovery import recover
from truebook_services.reconciler.relay import Relay


def settings_of(account: str, kafka_address: str) -> TruebookSettings:
    return TruebookSettings(account=account, kafka_servers=kafka_address)


pytestmark = [pytest.mark.containers]


@pytest.fixture
async def bus(kafka_address: str) -> AsyncIterator[KafkaBus]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_address)
    await admin.start()
    if JOURNAL.name not in await admin.list_topics():
        await admin.create_topics([NewTopic(JOURNAL.name, 1, 1)])
    await admin.close()
    bus = await KafkaBus.connect(KafkaConnection(servers=kafka_address))
    yield bus
    await bus.aclose()


async def test_a_ledger_is_relayed_to_the_topic_and_restored_from_it(bus: KafkaBus, kafka_address: str) -> None:
    account = f"journal-{uuid.uuid4().hex[:20]}"
    context = make_context("reconciler", ManualClock(), bus, account=account)

    def reading(newest: int | None) -> AsyncGenerator[Record, None]:
        return read_topic(KafkaConnection(servers=kafka_address), JOURNAL, 1, newest=newest)

    assert (await TopicJournal.open(context, reading)).tail is None
    store = MemoryStore()
    for number in range(2_500):
        await store.apply(NextNumber(name=f"n{number % 7}"))
    await Relay(context, store, await TopicJournal.open(context, reading), keep=1_000_000).run()
    other = make_context("reconciler", ManualClock(), bus, account=f"{account}-2")
    await (await TopicJournal.open(other, reading)).append(numbered(5_000))

    journal = await TopicJournal.open(context, reading)
    entries = await store.journal(0, 10_000)
    assert journal.tail is not None and unhashed([journal.tail]) == [entries[-1]]
    assert unhashed([entry async for entry in journal.read(2_400)]) == list(entries[2_400:])
    report = await verify_entries((await open_topic(settings_of(account, kafka_address), context)).read(0))
    assert (report.problem, report.entries, report.chain_from_seq) == ("", 2_500, 1)
    assert report.head == hash_of(journal.tail)
    emptied = MemoryStore()
    assert await recover(emptied, journal, LOG) == 2_500
    assert await emptied.journal(0, 2_500) == entries
    await Relay(context, emptied, journal, keep=1_000).run()
    again = await TopicJournal.open(context, reading)
    assert again.tail is not None and (again.tail.seq, again.tail.verb) == (2_501, "hold")
    assert await recover(emptied, again, LOG) == 0
