"""A long journal is closed in segments, which are compressed, anchored, and removed behind an anchor."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from support.full_disk import no_file_larger_than
from support.journals import LEDGER_ID, LOG, entries_of, numbered, plain_history, store_with
from support.ledger_verbs import AnyVerb, opens, verbs
from truebook import files, segments
from truebook.ledger.journal.anchors import anchors_of, ledger_at, load_anchor, load_newest_anchor, make_anchor
from truebook.ledger.journal.file import FileJournal
from truebook.ledger.journal.port import JournalCorrupt, JournalMismatch, JournalUnavailable
from truebook.ledger.journal.upkeep import DAY_S, JournalUpkeep, Retention
from truebook.ledger.journal.verify import verify_journal
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import JournalEntry, StoreCorrupt
from truebook.ledger.rules.ledger import Ledger, replay
from truebook.ledger.trading_holds import JOURNAL
from truebook.ledger.verbs import NextNumber, OpenAccount
from truebook_services.reconciler.recovery import recover

LONG = entries_of([*plain_history(), *(NextNumber(name="m") for _ in range(590))])
SMALL = 13_000
"""Bytes of a segment in these tests: about 60 entries."""
ALL = Retention(max_bytes=2**40, max_days=10_000)
NOTHING = Retention(max_bytes=0, max_days=10_000)


async def opened(path: Path, segment_bytes: int = SMALL) -> FileJournal:
    return await FileJournal.open(path, segment_bytes=segment_bytes)


async def written(path: Path, entries: list[JournalEntry], *, batch: int = 10) -> FileJournal:
    journal = await opened(path)
    for start in range(0, len(entries), batch):
        await journal.append(entries[start : start + batch])
    return journal


async def read(journal: FileJournal, after_seq: int = 0) -> list[JournalEntry]:
    return [entry async for entry in journal.read(after_seq)]


def upkeep_of(journal: FileJournal, retention: Retention = ALL, now_s: int = 0) -> JournalUpkeep:
    return JournalUpkeep(journal, retention, LOG, lambda: now_s)


def sizes(folder: Path) -> list[int]:
    return [path.stat().st_size for path in folder.iterdir()]


def list_names(folder: Path, ending: str) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(ending)]


def counted(entries: int) -> list[JournalEntry]:
    """The whole history of a counter."""
    return numbered(entries)


async def test_a_long_file_is_closed_in_segments(tmp_path: Path) -> None:
    journal = await written(tmp_path / "journal.jsonl", counted(200))
    assert len(journal.segments.closed()) >= 3
    assert max(sizes(tmp_path)) < SMALL + 3_000, "a segment and one batch"
    for after in (0, 1, 39, 40, 41, 130, 199, 200):
        assert await read(journal, after) == counted(200)[after:]
    await journal.aclose()
    again = await opened(tmp_path / "journal.jsonl")
    assert again.tail == counted(200)[-1]
    await again.append(numbered(1, first=201))
    assert await read(again) == counted(201)
    await again.aclose()


async def test_upkeep_compresses_and_anchors_closed_segments(tmp_path: Path) -> None:
    journal = await written(tmp_path / "journal.jsonl", counted(200))
    plain = sum(sizes(tmp_path))
    await upkeep_of(journal).run()
    assert all(segment.path.name.endswith(segments.COMPRESSED) for segment in journal.segments.closed())
    assert not journal.segments.uncompressed()
    assert sum(sizes(tmp_path)) < plain
    assert await read(journal) == counted(200)
    (anchor,) = anchors_of(journal.path).values()
    loaded = load_anchor(anchor)
    assert loaded is not None and loaded.seq == journal.open_after_seq
    assert ledger_at(loaded).state.counters == {"n": journal.open_after_seq}
    await journal.aclose()


@pytest.mark.parametrize("retention", [NOTHING, Retention(max_bytes=2**40, max_days=1)])
async def test_old_segments_are_removed_behind_an_anchor(tmp_path: Path, retention: Retention) -> None:
    journal = await written(tmp_path / "journal.jsonl", counted(200))
    in_two_days_s = int(journal.path.stat().st_mtime) + 2 * DAY_S
    await upkeep_of(journal, retention, in_two_days_s).run()
    assert journal.segments.closed() == []
    assert list(anchors_of(journal.path)) == [journal.open_after_seq]
    assert await read(journal) == counted(200)[journal.open_after_seq :]
    emptied = MemoryStore()
    assert await recover(emptied, journal, LOG) == 200
    assert emptied.ledger.ledger_id == LEDGER_ID
    expected = replay(counted(200), Ledger(LEDGER_ID))
    expected.apply(JOURNAL.place())
    assert emptied.ledger.state == expected.state
    await journal.aclose()


async def test_files_stay_within_their_bound(tmp_path: Path) -> None:
    """Whatever is appended: the bound, one segment that is open, and one that is not compressed yet."""
    journal = await opened(tmp_path / "journal.jsonl")
    bound = 6_000
    upkeep = upkeep_of(journal, Retention(max_bytes=bound, max_days=30), int(journal.path.stat().st_mtime))
    totals = []
    for first in range(1, 1_600, 20):
        await journal.append(numbered(20, first=first))
        if first % 160 == 1:
            await upkeep.run()
            totals.append(sum(sizes(tmp_path)))
    assert max(totals) < bound + 2 * SMALL + 4_000
    assert await recover(MemoryStore(), journal, LOG) == 1_600
    await journal.aclose()


async def test_nothing_is_removed_without_a_readable_anchor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = await written(tmp_path / "journal.jsonl", counted(200))
    before = len(journal.segments.closed())
    monkeypatch.setattr("truebook.ledger.journal.upkeep._MAKER", "truebook.ledger.journal.no_such_module")
    await upkeep_of(journal, NOTHING).run()
    assert len(journal.segments.closed()) == before
    monkeypatch.undo()
    make_anchor(journal.path, journal.open_after_seq)
    (anchor,) = anchors_of(journal.path).values()
    anchor.write_bytes(anchor.read_bytes()[:-3])
    await upkeep_of(journal, NOTHING).run()
    assert len(journal.segments.closed()) == before
    await journal.aclose()


async def test_a_journal_without_its_beginning_is_bounded_too(tmp_path: Path) -> None:
    journal = await written(tmp_path / "journal.jsonl", numbered(200, first=51))
    await upkeep_of(journal, NOTHING).run()
    assert (journal.segments.closed(), anchors_of(journal.path)) == ([], {})
    with pytest.raises(JournalMismatch, match="entry 1 is missing"):
        await recover(MemoryStore(), journal, LOG)
    await journal.aclose()


async def test_an_anchor_without_a_base_is_reported_once(tmp_path: Path) -> None:
    """The entries before the segment are gone, and the anchor that stood for them can't be read."""
    journal = await written(tmp_path / "journal.jsonl", counted(150))
    await upkeep_of(journal, NOTHING).run()
    (anchor,) = anchors_of(journal.path).values()
    anchor.write_bytes(b"damaged")
    await journal.append(numbered(50, first=151))
    await journal.append(numbered(1, first=201))
    upkeep = upkeep_of(journal)
    with capture_logs() as logs:
        for _ in range(3):
            await upkeep.run()
    (log,) = logs
    assert (log["log_level"], log["through_seq"]) == ("error", journal.open_after_seq)
    assert "begins with entry 121, and has no readable anchor" in log["reason"]
    await journal.aclose()


async def test_an_old_copy_of_the_ledger_is_restored_from_the_anchor(tmp_path: Path) -> None:
    """Its own newest entries are removed from the journal by now."""
    journal = await written(tmp_path / "journal.jsonl", counted(200))
    await upkeep_of(journal, NOTHING).run()
    old = store_with(counted(20))
    assert await recover(old, journal, LOG) == 180
    assert old.ledger.state.counters == {"n": 200}
    await journal.aclose()


@given(history=st.tuples(opens, st.lists(verbs, max_size=40)).map(lambda drawn: [drawn[0], *drawn[1]]))
@settings(deadline=None, max_examples=100)
def test_any_state_is_restored_from_its_saved_form(history: list[AnyVerb]) -> None:
    ledger = Ledger(LEDGER_ID)
    for verb in history:
        ledger.apply(verb)
    again = Ledger.from_state(LEDGER_ID, ledger.seq, ledger.saved_state())
    assert again.state == ledger.state
    assert again.view() == ledger.view()


def test_a_saved_state_of_another_version_is_refused() -> None:
    ledger = Ledger(LEDGER_ID)
    ledger.apply(OpenAccount(balance_micros=1))
    state = ledger.saved_state()
    with pytest.raises(StoreCorrupt, match="saved state after journal entry 7 can't be read"):
        Ledger.from_state(LEDGER_ID, 7, type(state)(bytes(state).replace(b'"opened"', b'"invented"')))


# Crashes and full disks at each step.


async def test_a_crash_before_the_next_segment_is_opened_is_survived(tmp_path: Path) -> None:
    journal = await written(tmp_path / "journal.jsonl", counted(40))
    await journal.aclose()
    journal.segments.close(1)
    again = await opened(journal.path)
    assert (again.tail, again.open_after_seq) == (counted(40)[-1], 40)
    await again.append(numbered(5, first=41))
    assert await read(again) == counted(45)
    await again.aclose()


@pytest.mark.parametrize("kept", [1, 100, 250, 400])
async def test_a_torn_first_write_of_a_segment_is_repeated(tmp_path: Path, kept: int) -> None:
    """Torn within the line that continues the chain, or within the first entry."""
    journal = await written(tmp_path / "journal.jsonl", counted(60))
    await journal.append(numbered(40, first=61))
    await journal.aclose()
    assert journal.open_after_seq == 60
    os.truncate(journal.path, kept)
    again = await opened(journal.path)
    assert again.tail is not None and again.open_after_seq == 60
    await again.append(numbered(40, first=again.tail.seq + 1))
    assert (await read(again))[:100] == counted(100)
    await again.aclose()


async def test_a_full_disk_at_the_start_of_a_segment_may_be_retried(tmp_path: Path) -> None:
    journal = await written(tmp_path / "journal.jsonl", counted(60))
    with no_file_larger_than(50):
        for _ in range(2):
            with pytest.raises(JournalUnavailable, match="can't be written"):
                await journal.append(numbered(5, first=61))
    assert journal.tail == counted(60)[-1]
    await journal.append(numbered(5, first=61))
    await journal.aclose()
    again = await opened(journal.path)
    assert await read(again) == counted(65)
    await again.aclose()


async def test_a_segment_closed_by_a_failed_write_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest anchor covers only the segments before it, also until the next write."""
    journal = await written(tmp_path / "journal.jsonl", counted(180))
    assert (journal.open_after_seq, journal.path.stat().st_size > SMALL) == (120, True)
    await upkeep_of(journal).run()
    with no_file_larger_than(50), pytest.raises(JournalUnavailable, match="can't be written"):
        await journal.append(numbered(5, first=181))
    monkeypatch.setattr("truebook.ledger.journal.upkeep._MAKER", "truebook.ledger.journal.no_such_module")
    await upkeep_of(journal, NOTHING).run()
    assert [segment.first for segment in journal.segments.closed()] == [121]
    assert await recover(MemoryStore(), journal, LOG) == 180
    monkeypatch.undo()
    await upkeep_of(journal, NOTHING).run()
    assert (journal.segments.closed(), list(anchors_of(journal.path))) == ([], [180])
    await journal.append(numbered(5, first=181))
    assert await recover(MemoryStore(), journal, LOG) == 185
    await journal.aclose()


async def test_a_segment_that_a_write_closes_now_is_kept(tmp_path: Path) -> None:
    """Upkeep runs beside the writer's thread: a segment may have its name before its end is known."""
    journal = await written(tmp_path / "journal.jsonl", counted(180))
    await upkeep_of(journal).run()
    journal.segments.close(121)
    await upkeep_of(journal, NOTHING).run()
    assert [segment.first for segment in journal.segments.closed()] == [121]
    assert list(anchors_of(journal.path)) == [120]
    await journal.aclose()


async def test_a_full_disk_while_compressing_keeps_the_plain_segment(tmp_path: Path) -> None:
    journal = await written(tmp_path / "journal.jsonl", counted(200))
    with no_file_larger_than(20), pytest.raises(JournalUnavailable, match="can't be compressed"):
        await upkeep_of(journal, NOTHING).run()
    assert not list_names(tmp_path, files.PART)
    assert await read(journal) == counted(200)
    await upkeep_of(journal).run()
    assert await read(journal) == counted(200)
    await journal.aclose()


async def test_a_crash_between_both_copies_of_a_segment_is_cleaned_up(tmp_path: Path) -> None:
    journal = await written(tmp_path / "journal.jsonl", counted(200))
    first = journal.segments.closed()[0]
    shutil.copy(first.path, tmp_path / "kept")
    journal.segments.compress(first)
    shutil.copy(tmp_path / "kept", first.path)
    await upkeep_of(journal).run()
    assert not journal.segments.uncompressed()
    assert await read(journal) == counted(200)
    await journal.aclose()


async def test_a_compressed_copy_that_differs_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = await written(tmp_path / "journal.jsonl", counted(200))
    monkeypatch.setattr(os, "fsync", lambda _: None)
    digest, calls = segments._content_digest, []

    def lost_byte(path: Path, **kind: Any) -> str:
        calls.append(path)
        return digest(path, **kind) + ("x" if kind["compressed"] else "")

    monkeypatch.setattr(segments, "_content_digest", lost_byte)
    with pytest.raises(JournalUnavailable, match="check the disk"):
        await upkeep_of(journal).run()
    assert calls and not any(segment.path.name.endswith(segments.COMPRESSED) for segment in journal.segments.closed())
    await journal.aclose()


# Verification.


async def test_verify_checks_every_segment_and_anchor(tmp_path: Path) -> None:
    journal = await written(tmp_path / "journal.jsonl", LONG)
    await upkeep_of(journal).run()
    report = verify_journal(journal.path)
    assert (report.first_seq, report.last_seq, report.removed_through_seq) == (1, 600, 0)
    assert (report.anchors, report.is_replayed, report.problem) == (1, True, "")
    await upkeep_of(journal, NOTHING).run()
    report = verify_journal(journal.path)
    assert report.removed_through_seq == journal.open_after_seq == report.first_seq - 1
    assert (report.is_replayed, report.last_seq, report.problem) == (True, 600, "")
    await journal.aclose()


async def test_verify_names_a_missing_or_changed_segment(tmp_path: Path) -> None:
    journal = await written(tmp_path / "journal.jsonl", counted(200))
    await upkeep_of(journal).run()
    second = journal.segments.closed()[1]
    content = second.path.read_bytes()
    second.path.unlink()
    assert "the segment before ends with" in verify_journal(journal.path).problem
    second.path.write_bytes(content[:-20])
    assert (
        second.path.name in verify_journal(journal.path).problem
        or "before ends" in verify_journal(journal.path).problem
    )
    await journal.aclose()
    with pytest.raises(JournalCorrupt):
        await read(journal)


async def test_verify_finds_an_anchor_that_differs_from_the_entries(tmp_path: Path) -> None:
    journal = await written(tmp_path / "journal.jsonl", counted(200))
    await upkeep_of(journal).run()
    (path,) = anchors_of(journal.path).values()
    other = await written(tmp_path / "other.jsonl", LONG)
    make_anchor(other.path, journal.open_after_seq)
    shutil.copy(anchors_of(other.path)[journal.open_after_seq], path)
    assert f"anchor after entry {journal.open_after_seq} differs" in verify_journal(journal.path).problem
    for each in (journal, other):
        await each.aclose()


async def test_verify_reports_what_it_could_not_check(tmp_path: Path) -> None:
    journal = await written(tmp_path / "journal.jsonl", numbered(100, first=51))
    report = verify_journal(journal.path)
    assert (report.removed_through_seq, report.is_replayed, report.problem) == (50, False, "")
    await journal.aclose()
    assert load_newest_anchor(journal.path, 100) is None


def test_verify_of_no_journal_is_a_clear_report(tmp_path: Path) -> None:
    report = verify_journal(tmp_path / "journal.jsonl")
    assert (report.entries, report.problem) == (0, "")


async def test_behind_a_damaged_anchor_the_next_one_counts(tmp_path: Path) -> None:
    journal = await written(tmp_path / "journal.jsonl", counted(150))
    await upkeep_of(journal).run()
    (damaged,) = anchors_of(journal.path).values()
    damaged.write_bytes(b"damaged")
    for first in range(151, 400, 10):
        await journal.append(numbered(10, first=first))
    await upkeep_of(journal, NOTHING).run()
    assert journal.segments.closed() == []
    assert list(anchors_of(journal.path)) == [journal.open_after_seq]
    assert await recover(MemoryStore(), journal, LOG) == 400
    await journal.aclose()


async def test_a_segment_compressed_after_it_was_listed_is_read(tmp_path: Path) -> None:
    journal = await written(tmp_path / "journal.jsonl", counted(200))
    reading = journal.read(0)
    entries = [await anext(reading)]
    for segment in journal.segments.uncompressed():
        journal.segments.compress(segment)
    entries += [entry async for entry in reading]
    assert entries == counted(200)
    await journal.aclose()
