"""Histories of a ledger with their journals, for tests of what is copied and restored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import structlog

from support.ledger_verbs import AnyVerb, a_fill, a_reserve, an_acknowledge
from truebook.ledger.journal.chain import chained
from truebook.ledger.journal.lines import write_line
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import JournalEntry
from truebook.ledger.rules.ledger import Ledger, replay
from truebook.ledger.verbs import Hold, MarkUnknown, Mode, NextNumber, OpenAccount

LEDGER_ID = "first-ledger"
LOG = structlog.get_logger("test")


def plain_history() -> list[AnyVerb]:
    """Return verbs of several kinds, each of which changes the account."""
    return [
        OpenAccount(balance_micros=100_000_000),
        NextNumber(name="ingest-epoch"),
        a_reserve("a"),
        an_acknowledge("a"),
        a_fill("t1"),
        a_reserve("b", ticker="N"),
        MarkUnknown(order_id="b"),
        NextNumber(name="ingest-epoch"),
        Hold(name="loss", mode=Mode.REDUCE_ONLY, owner="ann"),
        a_fill("t2"),
    ]


def entries_of(verbs: list[AnyVerb], ledger_id: str = LEDGER_ID) -> list[JournalEntry]:
    """Return the journal of these verbs on an empty ledger, as its copy has it: with the hash chain."""
    ledger = Ledger(ledger_id)
    for verb in verbs:
        ledger.apply(verb)
    return chained(ledger.journal(0, len(verbs)), None)


def numbered(count: int, first: int = 1, ledger_id: str = LEDGER_ID) -> list[JournalEntry]:
    """Return entries of a counter, with the hash chain from its first one."""
    arguments = msgspec.Raw(msgspec.json.encode(NextNumber(name="n")))
    entries = (
        JournalEntry(seq=seq, ledger_id=ledger_id, verb="next_number", arguments=arguments, result=str(seq))
        for seq in range(1, first + count)
    )
    return chained(entries, None)[first - 1 :]


def unhashed(entries: Iterable[JournalEntry]) -> list[JournalEntry]:
    """Return the entries without their previous hashes, as a ledger has them."""
    return [msgspec.structs.replace(entry, previous_hash="") for entry in entries]


def store_with(entries: list[JournalEntry], ledger_id: str = LEDGER_ID) -> MemoryStore:
    """Return a ledger with this history."""
    store = MemoryStore(ledger_id)
    store.ledger = replay(entries, Ledger(ledger_id))
    return store


def rewrite(path: Path, change: Callable[[list[JournalEntry]], list[JournalEntry]]) -> None:
    """Change the entries of an open segment and write the digest of every line again, as a careful forger would."""
    entries = [msgspec.json.decode(line, type=JournalEntry) for line in path.read_bytes().splitlines()]
    digest, lines = "", []
    for entry in change(entries):
        line, digest = write_line(entry, digest)
        lines.append(line)
    path.write_bytes(b"".join(lines))


def renumbered(entries: Iterable[JournalEntry]) -> list[JournalEntry]:
    """Number entries from 1 without a gap."""
    return [msgspec.structs.replace(entry, seq=seq) for seq, entry in enumerate(entries, start=1)]
