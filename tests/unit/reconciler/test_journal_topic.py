"""The journal topic: repeated and interleaved entries are read once and in order; a missing one is named."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import pytest

from support.journals import LOG, entries_of, numbered, plain_history, store_with, unhashed
from support.services import make_context
from truebook.bus.memory.bus import MemoryBus
from truebook.bus.port import BusUnavailable, Record
from truebook.clock import ManualClock
from truebook.ledger.journal.port import JournalCorrupt, JournalError, JournalUnavailable
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import JournalEntry
from truebook.ledger.verbs import NextNumber
from truebook.messages.topics import JOURNAL, Topic
from truebook_services.reconciler.journal_topic import FIRST_READ, TopicJournal
from truebook_services.reconciler.recovery import recover
from truebook_services.reconciler.relay import Relay

ACCOUNT = "sim-main"
HISTORY = entries_of(plain_history())


class JournalTopicBus(MemoryBus):
    """A bus that stores the records of ``journal``; ``read`` returns them as a reader of the topic."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Record] = []
        self.reads: list[int | None] = []
        self.failures = 0

    async def publish_many(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        assert topic is JOURNAL
        for key, value in records:
            if self.failures and len(self.records) % 5 == 4:
                self.failures -= 1
                raise BusUnavailable("no response")
            self.records.append(Record(topic.name, 0, len(self.records), key, value))

    async def read(self, newest: int | None) -> AsyncGenerator[Record, None]:
        self.reads.append(newest)
        for record in self.records if newest is None else self.records[-newest:]:
            yield record

    async def open(self, account: str = ACCOUNT) -> TopicJournal:
        context = make_context("reconciler", ManualClock(), self, account=account)
        return await TopicJournal.open(context, self.read)

    async def write(self, entries: Sequence[JournalEntry], account: str = ACCOUNT) -> None:
        await (await self.open(account)).append(entries)


async def read(journal: TopicJournal, after_seq: int = 0) -> list[JournalEntry]:
    return [entry async for entry in journal.read(after_seq)]


async def test_published_entries_are_read_from_any_number() -> None:
    topic = JournalTopicBus()
    await topic.write(HISTORY[:4])
    await topic.write(HISTORY[4:])
    journal = await topic.open()
    assert journal.tail == HISTORY[-1]
    for after in range(len(HISTORY) + 2):
        assert await read(journal, after) == HISTORY[after:]


async def test_an_empty_topic_has_no_tail() -> None:
    topic = JournalTopicBus()
    await topic.write(HISTORY, "another-account")
    journal = await topic.open()
    assert journal.tail is None
    assert await read(journal) == []


async def test_entries_of_other_accounts_are_skipped() -> None:
    topic = JournalTopicBus()
    await topic.write(HISTORY)
    await topic.write(numbered(FIRST_READ + 10, ledger_id="loud"), "another-account")
    topic.reads.clear()
    journal = await topic.open()
    assert journal.tail == HISTORY[-1]
    assert topic.reads == [FIRST_READ, 8 * FIRST_READ], "reads further back until it finds an entry"
    assert await read(journal, 5) == HISTORY[5:]


async def test_the_end_of_a_long_topic_is_read_without_the_rest() -> None:
    topic = JournalTopicBus()
    entries = numbered(FIRST_READ + 500)
    await topic.write(entries)
    topic.reads.clear()
    journal = await topic.open()
    assert await read(journal, FIRST_READ + 400) == entries[FIRST_READ + 400 :]
    assert None not in topic.reads
    assert await read(journal) == entries


async def test_repeated_and_interleaved_entries_count_once() -> None:
    """Two reconcilers overlapped, and a response was lost."""
    topic = JournalTopicBus()
    first, second = await topic.open(), await topic.open()
    await first.append(HISTORY[:2])
    third = await topic.open()
    await first.append(HISTORY[2:5])
    await third.append(HISTORY[2:4])
    await second.append(HISTORY[:7])
    await third.append(HISTORY[3:])
    await second.append(HISTORY[7:9])
    assert len(topic.records) == 22, "some of them repeated"
    journal = await topic.open()
    assert journal.tail == HISTORY[-1], "the newest, not the last written"
    for after in range(len(HISTORY)):
        assert await read(journal, after) == HISTORY[after:]


@pytest.mark.parametrize("gone", [2, 5])
async def test_a_missing_entry_is_named(gone: int) -> None:
    topic = JournalTopicBus()
    await topic.write(HISTORY)
    del topic.records[gone]
    journal = await topic.open()
    with pytest.raises(JournalCorrupt, match=f"lacks entry {gone + 1} of {ACCOUNT}"):
        await read(journal)


async def test_a_record_that_is_no_entry_raises_journal_corrupt() -> None:
    topic = JournalTopicBus()
    topic.records.append(Record(JOURNAL.name, 0, 0, ACCOUNT, b"{}"))
    with pytest.raises(JournalCorrupt, match="offset 0"):
        await topic.open()


async def test_a_partial_publication_is_repeated_and_read_once() -> None:
    topic = JournalTopicBus()
    store = MemoryStore()
    context = make_context("reconciler", ManualClock(), topic)
    relay = Relay(context, store, await TopicJournal.open(context, topic.read), keep=1_000)
    for _ in range(23):
        await store.apply(NextNumber(name="n"))
    topic.failures = 2
    for _ in range(2):
        with pytest.raises(JournalUnavailable) as caught:
            await relay.run()
        assert caught.value.retry
    await relay.run()
    assert unhashed(await read(await topic.open())) == list(await store.journal())


async def test_a_closed_bus_is_not_retried() -> None:
    topic = JournalTopicBus()
    journal = await topic.open()
    await topic.aclose()
    refused = MemoryBus()
    await refused.aclose()
    context = make_context("reconciler", ManualClock(), refused)
    with pytest.raises(JournalError) as caught:
        await TopicJournal(context, topic.read).append(HISTORY)
    assert not caught.value.retry
    assert journal.tail is None


async def test_a_ledger_is_restored_from_the_topic() -> None:
    topic = JournalTopicBus()
    await topic.write(HISTORY)
    store = store_with(HISTORY[:3])
    assert await recover(store, await topic.open(), LOG) == len(HISTORY) - 3
    emptied = MemoryStore("new")
    assert await recover(emptied, await topic.open(), LOG) == len(HISTORY)
    assert emptied.ledger_id == HISTORY[0].ledger_id
    assert emptied.ledger.view() == store.ledger.view()
