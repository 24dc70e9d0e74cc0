"""The exchange's journal in segments: closed at a checkpoint, compressed, removed behind two checkpoints."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from support.full_disk import no_file_larger_than
from support.manual_exchange import ACCOUNT, ManualExchange, request
from truebook import segments
from truebook_services.paper_exchange.engine.checkpoint import EARLIER, NAME
from truebook_services.paper_exchange.engine.commands import PlaceOrder
from truebook_services.paper_exchange.engine.journal_errors import (
    ExchangeJournalCorrupt,
    ExchangeJournalMismatch,
    ExchangeJournalUnavailable,
)

SEGMENT_BYTES = 3_000


class Trading(ManualExchange):
    """Closes a segment every few orders."""

    def __init__(self, folder: Path, *args: Any, max_bytes: int = 0) -> None:
        super().__init__(folder, *args)
        self.folder = folder
        self.journal: Any = self.server.state.core.journal
        self.journal._segment_bytes, self.journal._max_bytes = SEGMENT_BYTES, max_bytes
        opened: Any = self.server._opened
        self.checkpoints = opened.checkpoints
        self.checkpoints._retry_position = 0

    async def trade(self, orders: int, first: int = 0) -> None:
        self.tick(5)
        for number in range(first, first + orders):
            ticker = self.tickers()[number % 5]
            await self.command(PlaceOrder(ACCOUNT, request(ticker, number, price_cc=9_900, size_centi=100)))
            self.checkpoints.save_if_due()
            self.tick(1)

    def restarted(self) -> Trading:
        self.kill()
        return Trading(self.folder, self.clock.now_us())


async def test_a_journal_in_segments_is_restored_completely(tmp_path: Path) -> None:
    exchange = Trading(tmp_path, max_bytes=2**30)
    await exchange.trade(60)
    exchange.checkpoints.bound_journal()
    assert len(exchange.journal.segments.closed()) >= 3
    assert all(segment.path.name.endswith(segments.COMPRESSED) for segment in exchange.journal.segments.closed())
    before = exchange.state()
    for kept in ({NAME, EARLIER}, {EARLIER}, set()):
        for name in {NAME, EARLIER} - kept:
            (tmp_path / name).unlink(missing_ok=True)
        exchange = exchange.restarted()
        assert exchange.state() == before
    exchange.kill()


async def test_a_closed_segment_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next segment names its length: without its end the exchange could not start after a loss of power."""
    exchange = Trading(tmp_path)
    await exchange.trade(3)
    exchange.journal.syncs_each = False
    flushed: list[int] = []

    def flush() -> None:
        flushed.append(exchange.journal.size)
        written(exchange.journal)

    written = type(exchange.journal).flush
    monkeypatch.setattr(exchange.journal, "flush", flush)
    size = exchange.journal.size
    exchange.journal.begin_segment(exchange.checkpoints._configured)
    assert flushed == [size]
    exchange.kill()


async def test_old_segments_are_removed_behind_two_checkpoints(tmp_path: Path) -> None:
    exchange = Trading(tmp_path)
    await exchange.trade(60)
    exchange.checkpoints.bound_journal()
    kept = exchange.journal.segments.closed()
    assert 0 < len(kept) <= 2, "what follows the older checkpoint"
    for name in (NAME, EARLIER):
        before = exchange.state()
        exchange = exchange.restarted()
        assert exchange.state() == before
        await exchange.trade(3, first=60 + 10 * len(name))
        (tmp_path / NAME).write_bytes(b"damaged") if name == EARLIER else None
    before = exchange.state()
    exchange = exchange.restarted()
    assert exchange.state() == before
    exchange.kill()


async def test_without_a_checkpoint_a_trimmed_journal_is_refused(tmp_path: Path) -> None:
    exchange = Trading(tmp_path)
    await exchange.trade(60)
    exchange.checkpoints.bound_journal()
    exchange.kill()
    for name in (NAME, EARLIER):
        (tmp_path / name).unlink()
    with pytest.raises(ExchangeJournalMismatch, match=r"oldest segments .* are removed.*--fresh"):
        ManualExchange(tmp_path, exchange.clock.now_us())


async def test_nothing_is_removed_while_a_checkpoint_is_damaged(tmp_path: Path) -> None:
    exchange = Trading(tmp_path)
    await exchange.trade(60)
    (tmp_path / EARLIER).write_bytes((tmp_path / EARLIER).read_bytes()[:-1])
    closed = len(exchange.journal.segments.closed())
    exchange.checkpoints.bound_journal()
    assert len(exchange.journal.segments.closed()) == closed
    exchange.kill()


async def test_a_missing_segment_is_reported(tmp_path: Path) -> None:
    exchange = Trading(tmp_path, max_bytes=2**30)
    await exchange.trade(60)
    exchange.kill()
    exchange.journal.segments.closed()[1].path.unlink()
    for name in (NAME, EARLIER):
        (tmp_path / name).unlink()
    with pytest.raises(ExchangeJournalCorrupt, match="does not continue the segment before it"):
        ManualExchange(tmp_path, exchange.clock.now_us())


async def test_a_damaged_compressed_segment_is_reported(tmp_path: Path) -> None:
    exchange = Trading(tmp_path, max_bytes=2**30)
    await exchange.trade(60)
    exchange.checkpoints.bound_journal()
    exchange.kill()
    damaged = exchange.journal.segments.closed()[1].path
    damaged.write_bytes(b"damaged")
    for name in (NAME, EARLIER):
        (tmp_path / name).unlink()
    with pytest.raises(ExchangeJournalCorrupt, match=rf"{damaged.name}, line 1: .*can't be decompressed.*start over"):
        ManualExchange(tmp_path, exchange.clock.now_us())


@pytest.mark.parametrize("damage", ["segment", "line", "checkpoint"])
async def test_damage_is_logged_by_upkeep_which_continues(tmp_path: Path, damage: str) -> None:
    exchange = Trading(tmp_path)
    await exchange.trade(60)
    segment = exchange.journal.segments.closed()[1]
    match damage:
        case "segment":
            exchange.journal.segments.beside(segment.first, ".jsonl.zst").write_bytes(b"damaged")
        case "line":
            segment.path.write_bytes(b"damaged\n")
        case _:
            (tmp_path / EARLIER).unlink()
            (tmp_path / EARLIER).mkdir()
    with structlog.testing.capture_logs() as logs:
        exchange.checkpoints._log = structlog.get_logger()
        exchange.checkpoints.bound_journal()
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [
        ("error", "journal of the exchange not compressed")
    ]
    exchange.kill()


async def test_segments_before_a_checkpoint_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Trading(tmp_path, max_bytes=2**30)
    await exchange.trade(60)
    exchange.checkpoints.bound_journal()
    before, max_lines = exchange.state(), dict[Path, int]()
    closed = [segment.path for segment in exchange.journal.segments.closed()]

    def counting(path: Path, skipped: int = 0) -> Iterator[bytes]:
        for number, line in enumerate(segments.read_lines(path, skipped), start=1):
            max_lines[path] = max(number, max_lines.get(path, 0))
            yield line

    monkeypatch.setattr("truebook_services.paper_exchange.engine.journal.read_lines", counting)
    exchange = exchange.restarted()
    assert exchange.state() == before
    assert {path: max_lines[path] for path in closed} == dict.fromkeys(closed, 1)
    exchange.kill()


@pytest.mark.parametrize("is_closed", [False, True])
async def test_a_crash_while_a_segment_begins_is_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_closed: bool
) -> None:
    exchange = Trading(tmp_path)
    await exchange.trade(5)
    exchange.server.save_checkpoint()
    before = exchange.state()

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    if is_closed:
        monkeypatch.setattr(exchange.journal, "_finish_segment", crash)
    else:
        monkeypatch.setattr(exchange.journal.segments, "close", crash)
    with pytest.raises(KeyboardInterrupt):
        exchange.journal.begin_segment(exchange.checkpoints._configured)
    assert (tmp_path / "journal.jsonl").exists() is not is_closed
    monkeypatch.undo()
    exchange = exchange.restarted()
    assert exchange.state() == before
    await exchange.trade(5, first=10)
    before = exchange.state()
    (tmp_path / NAME).unlink()
    exchange = exchange.restarted()
    assert exchange.state() == before
    exchange.kill()


def fail_at(failure: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one step of the beginning of a segment fail."""
    fsync, rename = os.fsync, Path.rename

    def failing_open(*_: Any) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    def failing_fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) and not (folder / "journal.jsonl").exists():
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    def failing_rename(path: Path, target: Path) -> Path:
        if failure in {f"rename {path.name}", f"rename to {target.name}"}:
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    if failure == "open":
        monkeypatch.setattr("truebook_services.paper_exchange.engine.journal._open_file", failing_open)
    elif failure == "sync":
        monkeypatch.setattr(os, "fsync", failing_fsync)
    else:
        monkeypatch.setattr(Path, "rename", failing_rename)


@pytest.mark.parametrize(
    ("failure", "is_closed"),
    [("open", False), ("rename journal.jsonl", False), ("sync", True), ("rename to journal.jsonl", True)],
)
async def test_an_error_while_a_segment_begins_loses_no_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str, is_closed: bool
) -> None:
    exchange = Trading(tmp_path, max_bytes=2**30)
    await exchange.trade(5)
    exchange.journal._segment_bytes = 1
    with monkeypatch.context() as patched:
        fail_at(failure, tmp_path, patched)
        if is_closed:
            with pytest.raises(ExchangeJournalUnavailable, match="start again"):
                exchange.checkpoints.save_if_due()
        else:
            exchange.checkpoints.save_if_due()
    exchange.journal._segment_bytes = 2**30
    exchange.checkpoints.bound_journal()
    await exchange.trade(3, first=10)
    before = exchange.state()
    exchange = exchange.restarted()
    assert exchange.state() == before
    exchange.kill()


async def test_a_full_disk_at_a_checkpoint_ends_nothing(tmp_path: Path) -> None:
    exchange = Trading(tmp_path)
    await exchange.trade(20)
    exchange.journal._segment_bytes = 1
    exchange.checkpoints._log = structlog.wrap_logger(structlog.ReturnLogger())  # standard output may be a file too
    with no_file_larger_than(100):
        exchange.checkpoints.save_if_due()
    assert not (tmp_path / f"{NAME}.next.part").exists()
    exchange.checkpoints._retry_position = 0
    exchange.checkpoints.save_if_due()
    before = exchange.state()
    exchange = exchange.restarted()
    assert exchange.state() == before
    exchange.kill()
