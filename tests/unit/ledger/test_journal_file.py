"""The journal's file: appended entries are read again, a torn end is cut off, damage is reported with its line."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.full_disk import no_file_larger_than
from support.journals import entries_of, numbered, plain_history
from truebook.ledger.journal.chain import chained
from truebook.ledger.journal.file import FileJournal
from truebook.ledger.journal.port import JournalCorrupt, JournalUnavailable
from truebook.ledger.port import JournalEntry

HISTORY = entries_of(plain_history())


async def written(path: Path, entries: list[JournalEntry], *, batch: int = 3) -> bytes:
    """Write the file from these entries and return its bytes."""
    journal = await FileJournal.open(path)
    for start in range(0, len(entries), batch):
        await journal.append(entries[start : start + batch])
    await journal.aclose()
    return await asyncio.to_thread(path.read_bytes)


async def read(journal: FileJournal, after_seq: int = 0) -> list[JournalEntry]:
    return [entry async for entry in journal.read(after_seq)]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journals")


async def test_appended_entries_are_read_from_any_number_on(tmp_path: Path) -> None:
    await written(tmp_path / "j", HISTORY)
    journal = await FileJournal.open(tmp_path / "j")
    assert journal.tail == HISTORY[-1]
    for after in range(len(HISTORY) + 2):
        assert await read(journal, after) == HISTORY[after:]
    await journal.aclose()


async def test_a_write_with_a_cancelled_caller_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread can't be stopped: a caller that does not wait would write the same entries twice."""
    journal = await FileJournal.open(tmp_path / "j")
    on_disk, fsync = threading.Event(), os.fsync

    def slow_fsync(descriptor: int) -> None:
        on_disk.wait(5)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", slow_fsync)
    appending = asyncio.ensure_future(journal.append(HISTORY[:2]))
    await asyncio.sleep(0)
    appending.cancel()
    await asyncio.sleep(0)
    assert not appending.done()
    on_disk.set()
    with pytest.raises(asyncio.CancelledError):
        await appending
    assert journal.tail == HISTORY[1]
    await journal.append(HISTORY[2:])
    await journal.aclose()
    again = await FileJournal.open(tmp_path / "j")
    assert await read(again) == HISTORY
    await again.aclose()


async def test_every_number_of_a_long_file_is_found(tmp_path: Path) -> None:
    entries = numbered(300)
    await written(tmp_path / "j", entries, batch=300)
    journal = await FileJournal.open(tmp_path / "j")
    for after in range(300):
        assert await anext(journal.read(after)) == entries[after]
    await journal.aclose()


async def test_a_new_file_is_empty_and_private(tmp_path: Path) -> None:
    journal = await FileJournal.open(tmp_path / "j")
    assert journal.tail is None
    assert await read(journal) == []
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o600
    await journal.aclose()


async def test_a_reopened_file_continues_its_digest_chain(tmp_path: Path) -> None:
    whole = await written(tmp_path / "whole", HISTORY)
    await written(tmp_path / "j", HISTORY[:4])
    again = await FileJournal.open(tmp_path / "j")
    await again.append(HISTORY[4:])
    await again.aclose()
    assert (tmp_path / "j").read_bytes() == whole, "batches and reopening make no difference"


async def test_each_line_is_json_with_the_verbs_arguments(tmp_path: Path) -> None:
    lines = (await written(tmp_path / "j", HISTORY)).splitlines()
    first = json.loads(lines[0])
    assert first["arguments"]["balance_micros"] == 100_000_000
    assert (first["seq"], first["verb"], first["result"], len(first["digest"])) == (1, "open_account", "opened", 32)


@given(kept=st.integers(0, len(HISTORY) - 1), share=st.floats(0, 1, exclude_min=True, exclude_max=True))
@settings(deadline=None, max_examples=40)
async def test_a_torn_last_line_is_cut_off_and_appended_again(folder: Path, kept: int, share: float) -> None:
    path = folder / "torn"
    path.unlink(missing_ok=True)
    whole = await written(path, HISTORY)
    lines = whole.splitlines(keepends=True)
    torn = lines[kept][: max(1, int(len(lines[kept]) * share))].rstrip(b"\n")
    path.write_bytes(b"".join(lines[:kept]) + torn)
    journal = await FileJournal.open(path)
    assert journal.cut_bytes == len(torn)
    assert journal.tail == (HISTORY[kept - 1] if kept else None)
    await journal.append(HISTORY[kept:])
    await journal.aclose()
    assert path.read_bytes() == whole


@given(at=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
@settings(deadline=None, max_examples=60)
async def test_any_changed_byte_is_found_and_its_line_is_named(folder: Path, at: float, flip: int) -> None:
    path = folder / "damaged"
    path.unlink(missing_ok=True)
    whole = bytearray(await written(path, HISTORY))
    place = int(at * (len(whole) - 1))  # all but the last byte: without that one the line is torn
    whole[place] ^= flip
    path.write_bytes(whole)
    line = bytes(whole[:place]).count(b"\n") + 1
    # A missing line end is reported for its own line, an added one for the line that it splits.
    with pytest.raises(JournalCorrupt, match=rf"line {line}: .*move it away"):
        await FileJournal.open(path)


@pytest.mark.parametrize("gone", [0, 4, 8])
async def test_a_missing_line_is_found(tmp_path: Path, gone: int) -> None:
    lines = (await written(tmp_path / "j", HISTORY)).splitlines(keepends=True)
    del lines[gone]
    (tmp_path / "j").write_bytes(b"".join(lines))
    with pytest.raises(JournalCorrupt, match=f"line {gone + 1}:"):
        await FileJournal.open(tmp_path / "j")


async def test_a_file_that_begins_later_returns_its_entries(tmp_path: Path) -> None:
    await written(tmp_path / "j", HISTORY[6:])
    journal = await FileJournal.open(tmp_path / "j")
    later = chained(HISTORY[6:], None)
    assert await read(journal) == await read(journal, 3) == later
    assert await read(journal, 8) == later[2:]
    await journal.aclose()


@pytest.mark.parametrize("wrong", [HISTORY[1:], HISTORY[4:], numbered(1, first=4, ledger_id="another")])
async def test_an_entry_that_does_not_follow_the_tail_is_not_written(tmp_path: Path, wrong: list[JournalEntry]) -> None:
    before = await written(tmp_path / "j", HISTORY[:3])
    journal = await FileJournal.open(tmp_path / "j")
    with pytest.raises(ValueError, match="does not follow entry 3"):
        await journal.append(wrong)
    await journal.aclose()
    assert (tmp_path / "j").read_bytes() == before


async def test_a_write_that_fails_half_way_may_be_retried(tmp_path: Path) -> None:
    whole = await written(tmp_path / "whole", HISTORY)
    before = await written(tmp_path / "j", HISTORY[:3])
    journal = await FileJournal.open(tmp_path / "j")
    with no_file_larger_than(len(before) + 100):
        for _ in range(2):
            with pytest.raises(JournalUnavailable, match="can't be written"):
                await journal.append(HISTORY[3:])
    assert (journal.tail, (tmp_path / "j").read_bytes()) == (HISTORY[2], before)
    await journal.append(HISTORY[3:])
    await journal.aclose()
    assert (tmp_path / "j").read_bytes() == whole


async def test_a_file_that_can_not_be_opened_is_reported(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailable, match="can't be opened"):
        await FileJournal.open(tmp_path / "nowhere" / "j")
