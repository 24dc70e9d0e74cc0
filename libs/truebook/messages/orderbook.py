"""Topic ``orderbook``: order books, published by ingest.

Every message has ``epoch`` (one per start of ingest, from an INCR) and ``version`` (per market, +1 for each message
that changes the book). A reader that receives another version than its own + 1, or an older epoch, is stale until the
next snapshot. Prices are on the YES leg: ingest has converted NO bids to YES asks.
"""

from __future__ import annotations

from truebook.messages.envelope import BookSide, Message
from truebook.messages.reasons import Reason


class BookMessage(Message, frozen=True, kw_only=True):
    """The common fields of all messages about a book."""

    epoch: int
    version: int
    confirmed_us: int
    """The newest exchange time received on the subscription: up to it this book is known to be right."""
    frame_us: int
    """Local monotonic time at which the frame was received: for latencies only."""
    event_yes_sum_cc: int | None = None
    """Sum of the mid YES prices over the event's markets, or null while one of them has no two-sided book."""
    event_yes_sum_age_us: int | None = None


class BookSnapshot(BookMessage, frozen=True, kw_only=True, tag="book_snapshot"):
    """The whole book: (price_cc, size_centi) levels, full depth, best first."""

    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


class BookDelta(BookMessage, frozen=True, kw_only=True, tag="book_delta", gc=False):
    """One level's change; ``size_centi`` is the level's new total, 0 removes it."""

    book_side: BookSide
    price_cc: int
    size_centi: int
    client_order_id: str = ""
    """The order of this account that caused the change, if one did."""


class BookStale(BookMessage, frozen=True, kw_only=True, tag="book_stale", gc=False):
    """The book must not be used until the next snapshot."""

    reason: Reason


class PublicTrade(BookMessage, frozen=True, kw_only=True, tag="public_trade", gc=False):
    """A public trade. It has the current version and does not itself change levels."""

    trade_id: str
    price_cc: int
    size_centi: int
    taker_side: BookSide
