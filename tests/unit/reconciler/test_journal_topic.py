"""The journal as a topic: repeated and interleaved entries are read once and in order, a missing one is named."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import pytest

from support.execution_rig import make_context
from support.journals import LOG, entries_of, numbered, plain_history, store_with
from truebook.bus.memory import MemoryBus
from truebook.bus.port import BusUnavailable, Record
from truebook.clock import ManualClock
from truebook.ledger.journal_port import JournalCorrupt, JournalError, JournalUnavailable
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import JournalEntry
from truebook.messages.topics import JOURNAL, Topic
from truebook_services.reconciler.journal_topic import LOOK, TopicJournal
from truebook_services.reconciler.recovery import recover
from truebook_services.reconciler.relay import Relay

ACCOUNT = "sim-main"
HISTORY = entries_of(plain_history())


class TopicOnPaper(MemoryBus):
    """A bus that keeps what is published on ``journal``, and gives it to ``read`` as a reader of the topic."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Record] = []
        self.looks: list[int | None] = []
        self.failures = 0

    async def publish_many(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        assert topic is JOURNAL
        for key, value in records:
            if self.failures and len(self.records) % 5 == 4:
                self.failures -= 1
                raise BusUnavailable("no answer")
            self.records.append(Record(topic.name, 0, len(self.records), key, value))

    async def read(self, newest: int | None) -> AsyncGenerator[Record, None]:
        self.looks.append(newest)
        for record in self.records if newest is None else self.records[-newest:]:
            yield record

    async def open(self, account: str = ACCOUNT) -> TopicJournal:
        context = make_context("reconciler", ManualClock(), self, account=account)
        return await TopicJournal.open(context, self.read)

    async def write(self, entries: Sequence[JournalEntry], account: str = ACCOUNT) -> None:
        await (await self.open(account)).append(entries)


async def read(journal: TopicJournal, after_seq: int = 0) -> list[JournalEntry]:
    return [entry async for entry in journal.read(after_seq)]


async def test_what_was_published_is_read_again_from_any_number_on() -> None:
    topic = TopicOnPaper()
    await topic.write(HISTORY[:4])
    await topic.write(HISTORY[4:])
    journal = await topic.open()
    assert journal.tail == HISTORY[-1]
    for after in range(len(HISTORY) + 2):
        assert await read(journal, after) == HISTORY[after:]


async def test_an_empty_topic_has_no_tail() -> None:
    topic = TopicOnPaper()
    await topic.write(HISTORY, "another-account")
    journal = await topic.open()
    assert journal.tail is None
    assert await read(journal) == []


async def test_other_accounts_on_the_topic_are_passed_by_however_many_they_are() -> None:
    topic = TopicOnPaper()
    await topic.write(HISTORY)
    await topic.write(numbered(LOOK + 10, incarnation="loud"), "another-account")
    topic.looks.clear()
    journal = await topic.open()
    assert journal.tail == HISTORY[-1]
    assert topic.looks == [LOOK, 8 * LOOK], "looks further back as long as it finds nothing"
    assert await read(journal, 5) == HISTORY[5:]


async def test_the_end_of_a_long_topic_is_found_without_reading_all_of_it() -> None:
    topic = TopicOnPaper()
    entries = numbered(LOOK + 500)
    await topic.write(entries)
    topic.looks.clear()
    journal = await topic.open()
    assert await read(journal, LOOK + 400) == entries[LOOK + 400 :]
    assert None not in topic.looks
    assert await read(journal) == entries


async def test_repeated_and_interleaved_entries_count_once() -> None:
    """Two reconcilers overlapped, and an answer was lost."""
    topic = TopicOnPaper()
    await topic.write(HISTORY[:5])
    await topic.write(HISTORY[2:4])
    await topic.write(HISTORY[3:7])
    await topic.write(HISTORY[6:])
    await topic.write(HISTORY[8:9])
    journal = await topic.open()
    assert journal.tail == HISTORY[-1], "the newest, not the last that was written"
    for after in range(len(HISTORY)):
        assert await read(journal, after) == HISTORY[after:]


@pytest.mark.parametrize("gone", [2, 5])
async def test_a_missing_entry_is_named(gone: int) -> None:
    topic = TopicOnPaper()
    await topic.write(HISTORY)
    del topic.records[gone]
    journal = await topic.open()
    with pytest.raises(JournalCorrupt, match=f"lacks entry {gone + 1} of {ACCOUNT}"):
        await read(journal)


async def test_a_record_that_is_no_entry_is_corrupt() -> None:
    topic = TopicOnPaper()
    topic.records.append(Record(JOURNAL.name, 0, 0, ACCOUNT, b"{}"))
    with pytest.raises(JournalCorrupt, match="offset 0"):
        await topic.open()


async def test_a_publication_that_broke_half_way_is_repeated_and_read_once() -> None:
    topic = TopicOnPaper()
    store = MemoryStore()
    context = make_context("reconciler", ManualClock(), topic)
    relay = Relay(context, store, await TopicJournal.open(context, topic.read), keep=1_000)
    for _ in range(23):
        await store.next_number("n")
    topic.failures = 2
    for _ in range(2):
        with pytest.raises(JournalUnavailable) as caught:
            await relay.run()
        assert caught.value.retry
    await relay.run()
    assert await read(await topic.open()) == list(await store.journal())


async def test_a_bus_that_refuses_is_not_asked_again() -> None:
    topic = TopicOnPaper()
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
    topic = TopicOnPaper()
    await topic.write(HISTORY)
    store = store_with(HISTORY[:3])
    assert await recover(store, await topic.open(), LOG) == len(HISTORY) - 3
    emptied = MemoryStore("new")
    assert await recover(emptied, await topic.open(), LOG) == len(HISTORY)
    assert emptied.incarnation == HISTORY[0].incarnation
    assert emptied.ledger.view() == store.ledger.view()
