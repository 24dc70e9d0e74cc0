"""What a recording has besides the decoded frames themselves: gaps, skipped frames, and the time of each event."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from truebook.kalshi.port import StreamEvent


class SkipReason(StrEnum):
    """Why a recorded frame is not applied."""

    EMPTY = "empty"
    """An empty line."""
    INVALID = "invalid"
    """It cannot be decoded; ``detail`` has the error."""
    REPEATED = "repeated"
    """The frame before it again, with the same number and text."""
    NOT_FOLLOWED = "not_followed"
    """A book change on another connection than the book's snapshot, or before any snapshot."""
    DUPLICATE_TRADE = "duplicate_trade"
    """A trade whose id was seen before."""


class BookGap(msgspec.Struct, frozen=True):
    """Frames were lost: the books of ``tickers`` are unknown until their next snapshots.

    ``sid`` is the subscription that lacks frames, None if the source does not state it.
    """

    tickers: tuple[str, ...]
    sid: int | None = None


class SkippedFrame(msgspec.Struct, frozen=True):
    """A recorded frame that is not applied."""

    reason: SkipReason
    detail: str = ""


class CapturedEvent(msgspec.Struct, frozen=True):
    """One recorded event: time of receipt (microseconds, never decreasing), the recorder's connection, the event."""

    at_us: int
    connection: int
    event: StreamEvent | BookGap | SkippedFrame
