"""A reader's replica of one market's book, built from the topic ``orderbook``.

The replica is *stale* at the start, after a version gap, after a message of an older epoch, and whenever ingest marks
it stale; only a snapshot makes it fresh. Only ingest requests snapshots from the exchange; a reader waits for the next
one. Duplicates (the topic is at-least-once) change nothing.
"""

from __future__ import annotations

from truebook.book.order_book import BookError, OrderBook
from truebook.messages.orderbook import BookDelta, BookMessage, BookSnapshot, BookStale, PublicTrade
from truebook.messages.reasons import Reason


class BookReplica:
    """One market's book; use ``book`` only while ``stale`` is None."""

    __slots__ = (
        "book", "confirmed_us", "epoch", "event_yes_sum_age_us", "event_yes_sum_cc", "frame_us", "stale", "version",
    )  # fmt: skip

    def __init__(self) -> None:
        self.book = OrderBook()
        self.epoch = 0
        self.version = 0
        self.confirmed_us = 0
        self.frame_us = 0
        self.stale: Reason | None = Reason.NO_SNAPSHOT
        self.event_yes_sum_cc: int | None = None
        self.event_yes_sum_age_us: int | None = None

    def apply(self, message: BookSnapshot | BookDelta | BookStale | PublicTrade) -> bool:
        """Apply one message of this market and return whether the book changed; may set or clear ``stale``."""
        if type(message) is BookDelta and message.epoch == self.epoch and self.stale is None:
            return self._apply_delta(message)  # nearly every message
        if message.epoch < self.epoch:
            self.stale = Reason.OLD_EPOCH
            return False
        if isinstance(message, BookSnapshot):
            return self._apply_snapshot(message)
        if message.epoch > self.epoch:
            return self._start_epoch(message)
        if isinstance(message, BookStale):
            if message.version >= self.version:
                self.stale = message.reason
            return False
        if self.stale is not None:
            return False
        if isinstance(message, BookDelta):
            return self._apply_delta(message)
        if message.version > self.version:
            self.stale = Reason.VERSION_GAP
        elif message.version == self.version:
            self._note(message)
        return False

    def _start_epoch(self, message: BookMessage) -> bool:
        """Invalidate the book: ingest restarted, and its snapshot has not been received yet."""
        had_snapshot = self.stale is not Reason.NO_SNAPSHOT
        self.epoch = message.epoch
        self.version = 0
        if isinstance(message, BookStale):
            self.stale = message.reason
        elif had_snapshot:
            self.stale = Reason.VERSION_GAP
        return False

    def _apply_snapshot(self, message: BookSnapshot) -> bool:
        if message.epoch == self.epoch and message.version < self.version and self.stale is None:
            return False
        try:
            self.book.replace(message.bids, message.asks)
        except BookError as error:
            self.stale = error.reason
            return False
        self.epoch, self.version = message.epoch, message.version
        self.confirmed_us = 0
        self.stale = None
        self._note(message)
        return True

    def _apply_delta(self, message: BookDelta) -> bool:
        book, version = self.book, message.version
        if version != self.version + 1:
            if version > self.version:
                self.stale = Reason.VERSION_GAP
            return False
        try:
            book.set_level(message.book_side, message.price_cc, message.size_centi)
        except BookError as error:
            self.stale = error.reason
            return False
        self.version = version
        self._note(message)
        if book.is_crossed():
            self.stale = Reason.CROSSED_BOOK
        return True

    def _note(self, message: BookMessage) -> None:
        confirmed_us = message.confirmed_us
        if confirmed_us > self.confirmed_us:
            self.confirmed_us = confirmed_us
        self.frame_us = message.frame_us
        self.event_yes_sum_cc = message.event_yes_sum_cc
        self.event_yes_sum_age_us = message.event_yes_sum_age_us
