"""Topic ``orderbook``: books on their way from ingest to their readers.

Every message carries ``epoch`` (one per life of ingest, from an INCR) and ``version`` (per market, +1 a message that
changes the book). A reader that sees another version than its own + 1, or an older epoch, is stale until the next
snapshot. Prices are on the YES leg: NO bids have been turned into YES asks by ingest.
"""

from __future__ import annotations

from truebook.messages.envelope import BookSide, Message
from truebook.messages.reasons import Reason


class BookMessage(Message, frozen=True, kw_only=True):
    """What each message about a book carries."""

    epoch: int
    version: int
    confirmed_us: int
    """The newest exchange time seen on the subscription: the time up to which this book is known to be right."""
    frame_us: int
    """Local monotonic time at which the frame behind it arrived: for latencies only."""
    event_yes_sum_cc: int | None = None
    """Sum of the mid YES prices over the event's markets, or null while one of them has no two-sided book."""
    event_yes_sum_age_us: int | None = None


class BookSnapshot(BookMessage, frozen=True, kw_only=True, tag="book_snapshot"):
    """The whole book: (price_cc, size_centi) levels, full depth, best first."""

    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


class BookDelta(BookMessage, frozen=True, kw_only=True, tag="book_delta"):
    """One level's change; ``size_centi`` is the level's new total, 0 removes it."""

    book_side: BookSide
    price_cc: int
    size_centi: int
    client_order_id: str = ""
    """The order of this account that caused the change, where one did."""


class BookStale(BookMessage, frozen=True, kw_only=True, tag="book_stale"):
    """The book is not to be trusted until the next snapshot."""

    reason: Reason


class PublicTrade(BookMessage, frozen=True, kw_only=True, tag="public_trade"):
    """A trade of the exchange, anyone's; it carries the current version and changes no level by itself."""

    trade_id: str
    price_cc: int
    size_centi: int
    taker_side: BookSide
