"""Ingest with repeated frames and restarted sequence numbers: no book is fresh without proof."""

from __future__ import annotations

from typing import Any

import pytest

from support.ingest_harness import FAST, IngestHarness
from support.services import until
from truebook.messages.envelope import BookSide
from truebook.messages.orderbook import BookDelta, BookSnapshot
from truebook.messages.reasons import Reason
from truebook_services.paper_exchange.stream.subscriptions import StreamChannel

BID = BookSide.BID


@pytest.mark.parametrize("first", [1, 3])
async def test_restarted_numbers_make_books_stale_until_snapshots(first: int) -> None:
    async with IngestHarness() as harness:
        for _ in range(9):
            harness.exchange.change_level("E-1", BID, 4_000, 100)
        await harness.reader.until(lambda: len(harness.reader.of(BookDelta)) == 9, "nine deltas")
        harness.lose_delta("E-1", BID, 4_100, 500)
        restart_numbers(harness, first)
        harness.exchange.change_level("E-2", BID, 4_100, 700)
        await harness.reader.until(lambda: harness.is_true("E-1") and harness.is_true("E-2"), "both fresh again")
        assert harness.stale_marks("E-1") == harness.stale_marks("E-2") == [Reason.SEQUENCE_GAP]
        assert len(harness.exchange.connections) == 1


async def test_a_snapshot_that_restarts_the_numbers_is_not_trusted() -> None:
    async with IngestHarness() as harness:
        connection, old = harness.exchange.connections[-1], snapshot_frame(harness)
        harness.exchange.change_level("E-1", BID, 4_100, 500)
        await harness.reader.until(lambda: harness.is_true("E-1"), "changed")
        connection.deliver(old)
        await harness.reader.until(lambda: harness.stale_marks("E-1"), "stale")
        await harness.reader.until(lambda: harness.is_true("E-1") and harness.is_true("E-2"), "fresh again")
        books = [message.bids for message in harness.reader.of(BookSnapshot) if message.ticker == "E-1"]
        assert books[0] not in books[1:], "the old book was published again"


async def test_repeated_frames_do_not_confirm_the_book_subscription() -> None:
    quick = FAST.model_copy(update={"idle_probe_s": 0.02})
    async with IngestHarness(quick) as harness:
        connection = harness.exchange.connections[0]
        harness.exchange.change_level("E-1", BID, 4_000, 100)
        await harness.reader.until(lambda: harness.reader.of(BookDelta), "a delta")
        frame = connection.received[-1]
        harness.exchange.muted_frames = {"orderbook_snapshot", "orderbook_delta"}

        def repeat() -> bool:
            if connection.is_open:
                connection.deliver(frame)
            return not connection.is_open

        await until(repeat, "closed")


async def test_book_frames_of_another_subscription_end_the_connection() -> None:
    async with IngestHarness() as harness:
        connection = harness.exchange.connections[0]
        sid = connection.sid(StreamChannel.ORDERBOOK)
        connection.deliver(snapshot_frame(harness).replace(f'"sid":{sid}', '"sid":99'))
        await until(lambda: not connection.is_open, "closed")
        await harness.reader.until(lambda: harness.is_true("E-1") and harness.is_true("E-2"), "fresh again")


def restart_numbers(harness: IngestHarness, first: int) -> None:
    """Let the next book frame of the open connection have the number ``first``, and count from there."""
    base = harness.exchange.connections[-1].next_seq(StreamChannel.ORDERBOOK) + 1 - first
    sid = harness.exchange.connections[-1].sid(StreamChannel.ORDERBOOK)

    def renumbered(frame: dict[str, Any]) -> dict[str, Any]:
        return {**frame, "seq": frame["seq"] - base} if frame.get("sid") == sid else frame

    harness.exchange.alter_frame = renumbered


def snapshot_frame(harness: IngestHarness) -> str:
    """Return the first snapshot of E-1 as it was received."""
    frames = harness.exchange.connections[-1].received
    return next(text for text in frames if '"orderbook_snapshot"' in text and '"E-1"' in text)
