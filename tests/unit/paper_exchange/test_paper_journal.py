"""The journal file: reading after a crash, damage, locking."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from support.full_disk import no_file_larger_than
from truebook.clock import SystemClock
from truebook.messages.envelope import BookSide
from truebook.venue.account import OrderRequest
from truebook_services.paper_exchange.engine.commands import CancelAllOrders, CancelOrder, PlaceOrder
from truebook_services.paper_exchange.engine.entries import Advanced, Commanded, Configured, Entry, Resumed
from truebook_services.paper_exchange.engine.journal import ExchangeJournalFile, last_time_us
from truebook_services.paper_exchange.engine.journal_errors import (
    ExchangeJournalCorrupt,
    ExchangeJournalInUse,
    ExchangeJournalUnavailable,
)
from truebook_services.paper_exchange.server import exchange_clock
from truebook_services.paper_exchange.settings import PaperExchangeSettings

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
    Commanded(at_us=2, position=0, command=PlaceOrder("a", REQUEST)),
    Commanded(at_us=3, position=1, command=CancelOrder("a", "order")),
    Commanded(at_us=3, position=1, command=CancelAllOrders("a")),
    Advanced(at_us=4, position=9),
    Resumed(until_us=5, position=9, at_us=8),
]


def opened(folder: Path) -> ExchangeJournalFile:
    return ExchangeJournalFile(folder, structlog.get_logger(), segment_bytes=2**20, max_bytes=2**30)


def write(folder: Path, entries: list[Entry] = ENTRIES) -> Path:
    journal = opened(folder)
    for entry in entries:
        journal.append(entry)
    journal.close()
    return journal.file


def read(folder: Path) -> list[Entry]:
    journal = opened(folder)
    try:
        return list(journal.entries())
    finally:
        journal.close()


def test_entries_are_read_as_they_were_written(tmp_path: Path) -> None:
    write(tmp_path)
    assert read(tmp_path) == ENTRIES


@pytest.mark.parametrize("kept", [1, 9, 40])
def test_a_torn_last_line_is_truncated(tmp_path: Path, kept: int) -> None:
    file = write(tmp_path)
    whole = file.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    file.write_bytes(whole[: last + kept])
    assert read(tmp_path) == ENTRIES[:-1]
    write(tmp_path, [ENTRIES[-1]])
    assert read(tmp_path) == ENTRIES


@pytest.mark.parametrize("line", [1, 3, 6])
def test_a_damaged_line_is_reported_with_its_number(tmp_path: Path, line: int) -> None:
    file = write(tmp_path)
    lines = file.read_bytes().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1].replace(b'"', b"'", 1)
    file.write_bytes(b"".join(lines))
    with pytest.raises(ExchangeJournalCorrupt, match=f"line {line}") as caught:
        read(tmp_path)
    assert caught.value.line == line


def test_a_journal_is_locked_by_one_process(tmp_path: Path) -> None:
    first = opened(tmp_path)
    with pytest.raises(ExchangeJournalInUse, match="another exchange"):
        opened(tmp_path)
    first.close()
    opened(tmp_path).close()


def test_the_last_time_is_kept(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    assert journal.last_time_us() == 0
    journal.record_time(1_764_000_000_000_000)
    journal.record_time(1_764_000_000_000_020)
    journal.close()
    again = opened(tmp_path)
    assert again.last_time_us() == 1_764_000_000_000_020
    again.close()


def test_a_continued_exchange_starts_at_its_last_time(tmp_path: Path) -> None:
    ahead_us = SystemClock().now_us() + 3_600_000_000
    journal = opened(tmp_path)
    journal.record_time(ahead_us)
    journal.close()
    assert last_time_us(tmp_path) == ahead_us
    assert exchange_clock(PaperExchangeSettings(state_folder=tmp_path)).now_us() >= ahead_us
    assert exchange_clock(PaperExchangeSettings(state_folder=tmp_path / "new")).now_us() < ahead_us


def test_a_write_on_a_full_disk_leaves_a_journal_to_continue(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for entry in ENTRIES[:3]:
        journal.append(entry)
    journal.sync()
    whole = journal.file.read_bytes()
    journal.append(ENTRIES[3])
    with no_file_larger_than(len(whole) + 10), pytest.raises(ExchangeJournalUnavailable, match="free disk space"):
        journal.sync()
    journal.close()
    assert journal.file.read_bytes() == whole, "neither a torn line nor one that follows it"
    assert read(tmp_path) == ENTRIES[:3]


def batched(folder: Path) -> ExchangeJournalFile:
    return ExchangeJournalFile(folder, structlog.get_logger(), segment_bytes=2**20, max_bytes=2**30, syncs_each=False)


def test_entries_are_in_the_file_before_they_are_on_disk(tmp_path: Path) -> None:
    journal = batched(tmp_path)
    journal.append(ENTRIES[0])
    assert journal.pending_flush() is None
    journal.sync()
    assert journal.file.read_bytes().endswith(b"\n")  # what a killed process leaves
    flush = journal.pending_flush()
    assert flush is not None and journal.pending_flush() is None
    journal.close()
    flush()  # has a descriptor of its own


def test_a_disk_that_fails_later_ends_the_journal(tmp_path: Path) -> None:
    journal = batched(tmp_path)
    journal.append(ENTRIES[0])
    journal.sync()
    journal.failed(OSError(5, "input/output error"))
    journal.append(ENTRIES[1])
    with pytest.raises(ExchangeJournalUnavailable, match="input/output error"):
        journal.sync()
