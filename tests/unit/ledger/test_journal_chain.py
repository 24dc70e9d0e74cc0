"""The hash chain finds a changed, removed, inserted or moved entry, also one with digests that fit."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from support.journals import LOG, entries_of, numbered, plain_history, renumbered, rewrite, unhashed
from truebook.ledger.journal.anchors import anchors_of, load_anchor, make_anchor
from truebook.ledger.journal.chain import GENESIS, ChainBroken, HashChain, chained, hash_of
from truebook.ledger.journal.file import FileJournal
from truebook.ledger.journal.port import JournalCorrupt
from truebook.ledger.journal.upkeep import JournalUpkeep, Retention
from truebook.ledger.journal.verify import verify_entries, verify_journal
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import JournalEntry
from truebook_services.reconciler.recovery import recover

HISTORY = entries_of(plain_history())
Change = Callable[[list[JournalEntry]], list[JournalEntry]]


def changed(entry: JournalEntry) -> JournalEntry:
    """Change one byte of an entry's arguments."""
    arguments = bytes(entry.arguments).replace(b"100000000", b"900000000").replace(b'"n"', b'"m"')
    assert arguments != bytes(entry.arguments)
    return msgspec.structs.replace(entry, arguments=msgspec.Raw(arguments))


def swapped(entries: list[JournalEntry], first: int) -> list[JournalEntry]:
    return renumbered([*entries[:first], entries[first + 1], entries[first], *entries[first + 2 :]])


CHANGES: dict[str, Change] = {
    "changed": lambda entries: [changed(entries[0]), *entries[1:]],
    "removed": lambda entries: renumbered([*entries[:4], *entries[5:]]),
    "inserted": lambda entries: renumbered([*entries[:4], entries[1], *entries[4:]]),
    "swapped": lambda entries: swapped(entries, 4),
}


async def write(path: Path, entries: list[JournalEntry], segment_bytes: int = 2**20) -> FileJournal:
    journal = await FileJournal.open(path, segment_bytes=segment_bytes)
    for start in range(0, len(entries), 10):
        await journal.append(entries[start : start + 10])
    return journal


async def listed(entries: list[JournalEntry]) -> AsyncIterator[JournalEntry]:
    for entry in entries:
        yield entry


def test_the_hash_is_that_of_the_documented_text() -> None:
    entry = JournalEntry(
        seq=2, ledger_id="a", verb="next_number", arguments=msgspec.Raw(b'{"name":"n"}'), result="2",
        previous_hash=GENESIS,
    )  # fmt: skip
    text = f'["{GENESIS}",2,"a","next_number",{{"name":"n"}},"2"]'
    assert hash_of(entry) == hashlib.sha256(text.encode()).hexdigest()
    assert chained([entry], entry)[0].previous_hash == hash_of(entry)


def test_two_relays_give_the_same_hashes() -> None:
    at_once = chained(unhashed(HISTORY), None)
    one_by_one: list[JournalEntry] = []
    for entry in HISTORY:
        one_by_one += chained([entry], one_by_one[-1] if one_by_one else None)
    assert at_once == one_by_one == HISTORY


@pytest.mark.parametrize("kind", CHANGES)
async def test_a_forgery_with_fitting_digests_is_found(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "journal.jsonl"
    await (await write(path, numbered(9))).aclose()
    rewrite(path, lambda entries: entries)
    assert verify_journal(path).problem == "", "a rewritten file without a change is sound"
    rewrite(path, CHANGES[kind] if kind != "changed" else lambda found: [*found[:3], changed(found[3]), *found[4:]])
    assert "carries the hash" in verify_journal(path).problem
    with pytest.raises(JournalCorrupt, match="carries the hash"):
        await FileJournal.open(path)


@pytest.mark.parametrize("kind", CHANGES)
async def test_the_chain_is_checked_in_any_journal(kind: str) -> None:
    sound = await verify_entries(listed(HISTORY))
    assert (sound.problem, sound.chain_from_seq, sound.head) == ("", 1, hash_of(HISTORY[-1]))
    assert "carries the hash" in (await verify_entries(listed(CHANGES[kind](HISTORY)))).problem


async def test_a_new_chain_is_found_by_a_named_head(tmp_path: Path) -> None:
    """Every digest, hash and number of the forgery fits; only what a statement named differs."""
    path = tmp_path / "journal.jsonl"
    await (await write(path, HISTORY)).aclose()
    head = verify_journal(path).head
    assert verify_journal(path, {len(HISTORY): head}).heads == 1
    rewrite(path, lambda entries: chained(CHANGES["changed"](entries), None))
    assert verify_journal(path).problem == ""
    assert "was changed since that head was named" in verify_journal(path, {len(HISTORY): head}).problem
    assert "can't be compared" in verify_journal(path, {99: head}).problem


async def test_a_journal_of_an_earlier_version_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await (await write(path, HISTORY[:6])).aclose()
    rewrite(path, unhashed)
    journal = await write(path, HISTORY[6:])
    report = verify_journal(path)
    assert (report.problem, report.chain_from_seq, report.unhashed) == ("", 7, 6)
    read = [entry async for entry in journal.read(0)]
    assert read[:6] == unhashed(HISTORY[:6]) and read[6].previous_hash == hash_of(read[5])
    await journal.aclose()


async def test_an_anchor_carries_the_head_across_removed_segments(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = await write(path, numbered(200), 13_000)
    await JournalUpkeep(journal, Retention(max_bytes=0, max_days=30), LOG, lambda: 0).run()
    (seq,) = anchors_of(path)
    anchor = load_anchor(anchors_of(path)[seq])
    assert anchor is not None and anchor.head == hash_of(numbered(200)[seq - 1])
    report = verify_journal(path)
    assert (report.problem, report.chain_from_seq, report.first_seq) == ("", seq + 1, seq + 1)
    assert report.head == hash_of(numbered(200)[-1])
    await journal.aclose()


async def test_an_entry_that_does_not_follow_its_anchor_is_found(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await (await write(path, numbered(30))).aclose()
    make_anchor(path, 20)

    def forge(entries: list[JournalEntry]) -> list[JournalEntry]:
        return [msgspec.structs.replace(entries[20], previous_hash="f" * 64), *chained(entries[21:], None)]

    rewrite(path, forge)
    assert "carries the hash" in verify_journal(path).problem
    journal = await FileJournal.open(path)
    with pytest.raises(JournalCorrupt, match="hash of the anchor before it"):
        await recover(MemoryStore(), journal, LOG)
    await journal.aclose()


def test_an_entry_without_a_hash_ends_the_chain() -> None:
    chain = HashChain()
    for entry in [*HISTORY[:3], *unhashed(HISTORY[3:4])]:
        chain.add(entry)
    assert (chain.first_seq, chain.unhashed) == (0, 1)
    with pytest.raises(ChainBroken):
        chain.add(HISTORY[4])
    chain.add(chained(HISTORY[4:5], unhashed(HISTORY[3:4])[0])[0])
    assert chain.first_seq == 5
