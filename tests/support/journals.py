"""Histories of a ledger with their journals, for tests of what is copied and restored."""

from __future__ import annotations

import msgspec
import structlog

from support.ledger_verbs import a_fill, a_reserve, an_acknowledge
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import JournalEntry
from truebook.ledger.rules import Ledger, replay
from truebook.ledger.verbs import Arguments, Hold, MarkUnknown, NextNumber, OpenAccount

INCARNATION = "first-life"
LOG = structlog.get_logger("test")


def plain_history() -> list[Arguments]:
    """Some verbs of every kind of weight, each of which changes something."""
    return [
        OpenAccount(balance_micros=100_000_000),
        NextNumber(name="ingest-epoch"),
        a_reserve("a"),
        an_acknowledge("a"),
        a_fill("t1"),
        a_reserve("b", ticker="N"),
        MarkUnknown(order_id="b"),
        NextNumber(name="ingest-epoch"),
        Hold(name="loss", mode="reduce_only", owner="ann"),
        a_fill("t2"),
    ]


def entries_of(verbs: list[Arguments], incarnation: str = INCARNATION) -> list[JournalEntry]:
    """The journal that these verbs make, from an empty ledger on."""
    ledger = Ledger(incarnation)
    for verb in verbs:
        ledger.apply(verb)
    return list(ledger.journal(0, len(verbs)))


def numbered(count: int, first: int = 1, incarnation: str = INCARNATION) -> list[JournalEntry]:
    """Entries that only count."""
    arguments = msgspec.Raw(msgspec.json.encode(NextNumber(name="n")))
    return [
        JournalEntry(seq=seq, incarnation=incarnation, verb="next_number", arguments=arguments, result=str(seq))
        for seq in range(first, first + count)
    ]


def store_with(entries: list[JournalEntry], incarnation: str = INCARNATION) -> MemoryStore:
    """A ledger whose history these entries are."""
    store = MemoryStore(incarnation)
    store.ledger = replay(entries, Ledger(incarnation))
    return store
