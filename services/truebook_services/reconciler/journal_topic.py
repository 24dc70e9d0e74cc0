"""The journal as a topic of the bus: one partition for all accounts, keyed by account, kept forever.

An entry may be there more than once (after a lost response of the bus, or with two reconcilers): the first one of each
number is valid. Written through the bus; read by a ``TopicReading``, because no consumer group needs a position.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Final

import msgspec

from truebook.bus.port import BusError, Record
from truebook.ledger.journal.chain import ChainBroken, HashChain, chained
from truebook.ledger.journal.port import JournalCorrupt, JournalError, JournalUnavailable, LedgerJournal
from truebook.ledger.port import JournalEntry
from truebook.messages.codec import DecodeError, decode, encode
from truebook.messages.ids import digest
from truebook.messages.journal import JournalRecorded
from truebook.messages.topics import JOURNAL
from truebook.runtime.context import Context

TopicReading = Callable[[int | None], AsyncGenerator[Record, None]]
"""Yields the topic's newest records of all accounts, up to the given number (None: all), oldest first."""
FIRST_READ: Final = 4_000
"""Newest records that are read first; more than a relay copies at once, so that repetitions do not fill it."""
READ_GROWTH: Final = 8
MAX_OUT_OF_ORDER: Final = 10_000


class TopicJournal(LedgerJournal):
    """One account's entries on the topic; create it with ``open``."""

    def __init__(self, context: Context, reading: TopicReading) -> None:
        self._context = context
        self._reading = reading
        self._tail: JournalEntry | None = None

    @classmethod
    async def open(cls, context: Context, reading: TopicReading) -> TopicJournal:
        """Find the account's newest entry; raises JournalError."""
        journal = cls(context, reading)
        for newest in _read_sizes(FIRST_READ):
            async for entry in journal._entries(newest):
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
        for newest in _read_sizes(max(0, self._tail.seq - after_seq) + FIRST_READ):
            async with aclosing(self._entries(newest)) as entries:
                first = await anext(entries, None)
                if first is not None and (newest is None or first.seq <= after_seq + 1):
                    hashes = HashChain()
                    async for entry in self._in_order(first, entries, max(after_seq + 1, first.seq)):
                        try:
                            hashes.add(entry)
                        except ChainBroken as error:
                            raise JournalCorrupt(
                                f"the topic {JOURNAL.name}, account {self._context.account}: {error}"
                            ) from error
                        yield entry
                    return

    async def append(self, entries: Sequence[JournalEntry]) -> None:
        known = 0 if self._tail is None else self._tail.seq
        entries = chained((entry for entry in entries if entry.seq > known), self._tail)
        records = [(self._context.account, encode(self._recorded(entry))) for entry in entries]
        try:
            await self._context.bus.publish_many(JOURNAL, records)
            await self._context.bus.flush()
        except BusError as error:
            raise _translated(error) from error
        if entries:
            self._tail = entries[-1]

    async def aclose(self) -> None:
        """Do nothing: the bus is closed by its owner."""

    async def _entries(self, newest: int | None) -> AsyncGenerator[JournalEntry, None]:
        """Yield this account's entries among the topic's newest records, in the topic's order."""
        try:
            async with aclosing(self._reading(newest)) as records:
                async for record in records:
                    if record.key == self._context.account:
                        yield _entry_of(record)
        except BusError as error:
            raise _translated(error) from error

    async def _in_order(
        self, first: JournalEntry, others: AsyncIterator[JournalEntry], next_seq: int
    ) -> AsyncIterator[JournalEntry]:
        """Yield each entry once, in order from ``next_seq``; of repeated ones the first."""
        waiting = {first.seq: first}
        async for entry in others:
            while next_seq in waiting:
                yield waiting.pop(next_seq)
                next_seq += 1
            if entry.seq >= next_seq:
                waiting.setdefault(entry.seq, entry)
            if len(waiting) > MAX_OUT_OF_ORDER:
                break
        for seq in sorted(seq for seq in waiting if seq >= next_seq):
            if seq != next_seq:
                raise JournalCorrupt(f"the topic {JOURNAL.name} lacks entry {next_seq} of {self._context.account}")
            yield waiting[seq]
            next_seq += 1

    def _recorded(self, entry: JournalEntry) -> JournalRecorded:
        context = self._context
        return JournalRecorded(
            id=digest("journal", context.account, entry.ledger_id, entry.seq), cause_id="", account=context.account,
            strategy=context.strategy, ticker="", source=context.source, exchange_us=None,
            produced_us=context.clock.now_us(), seq=entry.seq, ledger_id=entry.ledger_id, verb=entry.verb,
            arguments=bytes(entry.arguments).decode(), result=entry.result, previous_hash=entry.previous_hash,
        )  # fmt: skip


def _read_sizes(first: int) -> tuple[int | None, ...]:
    return first, first * READ_GROWTH, None


def _entry_of(record: Record) -> JournalEntry:
    try:
        message = decode(JOURNAL, record.value)
    except DecodeError as error:
        raise JournalCorrupt(f"the topic {JOURNAL.name} at offset {record.offset}: {error}") from error
    assert isinstance(message, JournalRecorded), "the topic has no other messages"
    return JournalEntry(
        seq=message.seq, ledger_id=message.ledger_id, verb=message.verb,
        arguments=msgspec.Raw(message.arguments.encode()), result=message.result, previous_hash=message.previous_hash,
    )  # fmt: skip


def _translated(error: BusError) -> JournalError:
    text = f"the journal's topic: {error}"
    return JournalUnavailable(text) if error.retry else JournalError(text)
