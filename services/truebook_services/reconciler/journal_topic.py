"""The journal as a topic of the bus: one partition for all accounts, keyed by account, kept for ever.

Entries may stand there more than once (an answer of the bus was lost, two reconcilers overlapped): the first one of
each number counts. Written through the bus; read by ``Reading``, since no consumer group has to keep a position.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Final

import msgspec

from truebook.bus.port import BusError, Record
from truebook.ledger.journal_port import Journal, JournalCorrupt, JournalError, JournalUnavailable
from truebook.ledger.port import JournalEntry
from truebook.messages.codec import DecodeError, decode, encode
from truebook.messages.ids import digest
from truebook.messages.journal import JournalRecorded
from truebook.messages.topics import JOURNAL
from truebook.runtime.context import Context

Reading = Callable[[int | None], AsyncGenerator[Record, None]]
"""Gives the topic's newest records, so many of all accounts together (null: all that there are), oldest first."""
LOOK: Final = 4_000
"""Newest records that are looked at first; above what a relay copies at once, so that repeated entries don't hide."""
LOOK_FURTHER: Final = 8
MOST_OUT_OF_ORDER: Final = 10_000


class TopicJournal(Journal):
    """One account's entries on the topic. Make it by ``open``."""

    def __init__(self, context: Context, reading: Reading) -> None:
        self._context = context
        self._reading = reading
        self._tail: JournalEntry | None = None

    @classmethod
    async def open(cls, context: Context, reading: Reading) -> TopicJournal:
        """Find the account's newest entry; raises JournalError."""
        journal = cls(context, reading)
        for look in _looks(LOOK):
            async for entry in journal._entries(look):
                if journal._tail is None or entry.seq > journal._tail.seq:
                    journal._tail = entry
            if journal._tail is not None:
                break
        return journal

    @property
    def tail(self) -> JournalEntry | None:
        return self._tail

    async def read(self, after_seq: int) -> AsyncIterator[JournalEntry]:
        if self._tail is None:
            return
        for look in _looks(max(0, self._tail.seq - after_seq) + LOOK):
            async with aclosing(self._entries(look)) as entries:
                first = await anext(entries, None)
                if first is not None and (look is None or first.seq <= after_seq + 1):
                    async for entry in self._in_order(first, entries, max(after_seq + 1, first.seq)):
                        yield entry
                    return

    async def append(self, entries: Sequence[JournalEntry]) -> None:
        records = [(self._context.account, encode(self._recorded(entry))) for entry in entries]
        try:
            await self._context.bus.publish_many(JOURNAL, records)
            await self._context.bus.flush()
        except BusError as error:
            raise _translated(error) from error
        if entries:
            self._tail = entries[-1]

    async def aclose(self) -> None:
        """Nothing to close: the bus is its owner's."""

    async def _entries(self, look: int | None) -> AsyncGenerator[JournalEntry, None]:
        """Give this account's entries among the topic's newest records, as they stand there."""
        try:
            async with aclosing(self._reading(look)) as records:
                async for record in records:
                    if record.key == self._context.account:
                        yield _entry_of(record)
        except BusError as error:
            raise _translated(error) from error

    async def _in_order(
        self, first: JournalEntry, others: AsyncIterator[JournalEntry], wanted: int
    ) -> AsyncIterator[JournalEntry]:
        """Give each number once from ``wanted`` on, in order; of repeated ones the first."""
        waiting = {first.seq: first}
        async for entry in others:
            while wanted in waiting:
                yield waiting.pop(wanted)
                wanted += 1
            if entry.seq >= wanted:
                waiting.setdefault(entry.seq, entry)
            if len(waiting) > MOST_OUT_OF_ORDER:
                break
        for seq in sorted(seq for seq in waiting if seq >= wanted):
            if seq != wanted:
                raise JournalCorrupt(f"the topic {JOURNAL.name} lacks entry {wanted} of {self._context.account}")
            yield waiting[seq]
            wanted += 1

    def _recorded(self, entry: JournalEntry) -> JournalRecorded:
        context = self._context
        return JournalRecorded(
            id=digest("journal", context.account, entry.incarnation, entry.seq), cause_id="", account=context.account,
            strategy=context.strategy, ticker="", source=context.source, exchange_us=None,
            produced_us=context.clock.now_us(), seq=entry.seq, incarnation=entry.incarnation, verb=entry.verb,
            arguments=bytes(entry.arguments).decode(), result=entry.result,
        )  # fmt: skip


def _looks(first: int) -> tuple[int | None, ...]:
    return first, first * LOOK_FURTHER, None


def _entry_of(record: Record) -> JournalEntry:
    try:
        message = decode(JOURNAL, record.value)
    except DecodeError as error:
        raise JournalCorrupt(f"the topic {JOURNAL.name} at offset {record.offset}: {error}") from error
    assert isinstance(message, JournalRecorded), "the topic carries nothing else"
    return JournalEntry(
        seq=message.seq, incarnation=message.incarnation, verb=message.verb,
        arguments=msgspec.Raw(message.arguments.encode()), result=message.result,
    )  # fmt: skip


def _translated(error: BusError) -> JournalError:
    text = f"the journal's topic: {error}"
    return JournalUnavailable(text) if error.retry else JournalError(text)
