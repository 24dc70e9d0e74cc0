"""What a journal gives back after a crash, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from truebook.messages.envelope import BookSide
from truebook.venue.account import OrderRequest
from truebook_services.paper_exchange.commands import Cancel, CancelAll, Place
from truebook_services.paper_exchange.journal import (
    Advanced,
    Commanded,
    Configured,
    Entry,
    FileJournal,
    JournalCorrupt,
    JournalInUse,
    Resumed,
)

REQUEST = OrderRequest(
    ticker="T", client_order_id="c", book_side=BookSide.ASK, price_cc=4_700, size_centi=123, expiration_s=1_800_000_000
)
ENTRIES: list[Entry] = [
    Configured(
        start_us=1,
        account="a",
        balance_micros=5,
        seed=7,
        markets=3,
        tickers=("T",),
        settlement_delay_us=2,
        capture=None,
    ),
    Commanded(at_us=2, position=0, command=Place("a", REQUEST)),
    Commanded(at_us=3, position=1, command=Cancel("a", "order")),
    Commanded(at_us=3, position=1, command=CancelAll("a")),
    Advanced(at_us=4, position=9),
    Resumed(until_us=5, position=9, at_us=8),
]


def write(folder: Path, entries: list[Entry] = ENTRIES) -> Path:
    journal = FileJournal(folder, structlog.get_logger())
    for entry in entries:
        journal.append(entry)
    journal.close()
    return journal.file


def read(folder: Path) -> list[Entry]:
    journal = FileJournal(folder, structlog.get_logger())
    try:
        return list(journal.entries())
    finally:
        journal.close()


def test_entries_come_back_as_they_were_written(tmp_path: Path) -> None:
    write(tmp_path)
    assert read(tmp_path) == ENTRIES


@pytest.mark.parametrize("kept", [1, 9, 40])
def test_a_torn_last_line_is_cut_off_and_writing_goes_on(tmp_path: Path, kept: int) -> None:
    file = write(tmp_path)
    whole = file.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    file.write_bytes(whole[: last + kept])
    assert read(tmp_path) == ENTRIES[:-1]
    write(tmp_path, [ENTRIES[-1]])
    assert read(tmp_path) == ENTRIES


@pytest.mark.parametrize("line", [1, 3, 6])
def test_damage_inside_is_corruption_with_its_line(tmp_path: Path, line: int) -> None:
    file = write(tmp_path)
    lines = file.read_bytes().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1].replace(b'"', b"'", 1)
    file.write_bytes(b"".join(lines))
    with pytest.raises(JournalCorrupt, match=f"line {line}") as caught:
        read(tmp_path)
    assert caught.value.line == line


def test_two_processes_never_write_one_journal(tmp_path: Path) -> None:
    first = FileJournal(tmp_path, structlog.get_logger())
    with pytest.raises(JournalInUse, match="another exchange"):
        FileJournal(tmp_path, structlog.get_logger())
    first.close()
    FileJournal(tmp_path, structlog.get_logger()).close()


def test_how_far_time_came_is_remembered(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path, structlog.get_logger())
    assert journal.came_to_us() == 0
    journal.reached(1_764_000_000_000_000)
    journal.reached(1_764_000_000_000_020)
    journal.close()
    again = FileJournal(tmp_path, structlog.get_logger())
    assert again.came_to_us() == 1_764_000_000_000_020
    again.close()
