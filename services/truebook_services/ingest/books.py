"""The full-depth copy of every followed book, and the messages of its changes and its state. No I/O.

Input is decoded frames whose sequence has been checked; output is the messages to publish (through ``emit``) and the
reason why a book became invalid. A *stale* book ignores deltas until its snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from truebook.book.event_sums import EventSum
from truebook.book.order_book import BookError, OrderBook
from truebook.book.state_pace import NOT_PUBLISHED, is_due
from truebook.kalshi.port import DeltaFrame, SnapshotFrame, TradeFrame
from truebook.messages.book_states import BookState
from truebook.messages.envelope import BookSide, Message
from truebook.messages.orderbook import BookDelta, BookMessage, BookSnapshot, BookStale, PublicTrade
from truebook.messages.reasons import Reason
from truebook.runtime.context import Context
from truebook_services.ingest.book_states import book_state

FUTURE_US = 1_000_000
"""An exchange time further ahead of our clock than this is limited: it would keep books fresh forever."""


def _no_outbox(message: Message) -> None:
    raise AssertionError(f"no outbox for {message.id}")


class FollowedBook:
    """One market's book with its version, and when it was last published."""

    __slots__ = ("bid_plus_ask_cc", "book", "changed", "event", "published_confirmed_us", "published_us", "stale",
                 "state_us", "sum", "ticker", "version")  # fmt: skip

    def __init__(self, ticker: str, event: str, event_sum: EventSum) -> None:
        self.ticker = ticker
        self.event = event
        self.sum = event_sum
        self.book = OrderBook()
        self.version = 0
        self.stale: Reason | None = Reason.NO_SNAPSHOT
        self.changed = False
        """Whether it changed since the last published snapshot."""
        self.published_us = 0
        self.published_confirmed_us = 0
        self.state_us = NOT_PUBLISHED
        """When its state was last published as fresh."""
        self.bid_plus_ask_cc: int | None = None


class FollowedBooks:
    """All followed books; epoch and versions continue across reconnects."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._emit: Callable[[BookMessage], None] = _no_outbox
        self._emit_state: Callable[[BookState], None] = _no_outbox
        self._books: dict[str, FollowedBook] = {}
        self._first_version = 0
        """The start of a newly followed book's versions, so that no version of an epoch is used twice."""
        self._sums: dict[str, EventSum] = {}
        self._members: dict[str, frozenset[str]] = {}
        self._snapshots = 0
        self._state_count = 0
        self.epoch = 0
        self.confirmed_us = 0

    def publish_through(self, emit: Callable[[BookMessage], None], emit_state: Callable[[BookState], None]) -> None:
        """Set the receivers of messages: the outbox and the books depend on each other."""
        self._emit = emit
        self._emit_state = emit_state

    def __contains__(self, ticker: str) -> bool:
        return ticker in self._books

    def get(self, ticker: str) -> FollowedBook | None:
        return self._books.get(ticker)

    def all(self) -> Iterable[FollowedBook]:
        return self._books.values()

    def stale_tickers(self) -> tuple[str, ...]:
        return tuple(ticker for ticker, followed in self._books.items() if followed.stale is not None)

    def follow(self, ticker: str, event: str) -> None:
        """Start following a market; its book is stale until its snapshot."""
        if ticker in self._books:
            return
        event_sum = self._sums.setdefault(event, EventSum())
        event_sum.set_members(self._members.get(event, frozenset()))
        event_sum.add(ticker)
        followed = self._books[ticker] = FollowedBook(ticker, event, event_sum)
        followed.version = self._first_version

    def unfollow(self, ticker: str) -> None:
        """Stop following a market; publishes its book as stale."""
        followed = self._books.get(ticker)
        if followed is None:
            return
        self.invalidate(ticker, Reason.NO_SNAPSHOT, frame_us=self._context.clock.monotonic_us())
        self._first_version = max(self._first_version, followed.version)
        followed.sum.remove(ticker)
        if followed.sum.is_empty:
            self._sums.pop(followed.event, None)
        del self._books[ticker]

    def set_event_members(self, members: dict[str, frozenset[str]]) -> None:
        """Set the active markets of each event."""
        self._members = members
        for event, event_sum in self._sums.items():
            event_sum.set_members(members.get(event, frozenset()))

    def confirm(self, exchange_us: int | None, now_us: int | None = None) -> None:
        """Advance the confirmed time to the frame's time, or to our clock's if it has none.

        ``now_us`` is our clock's time, where the caller has just read it.
        """
        if now_us is None:
            now_us = self._context.clock.now_us()
        seen_us = now_us if exchange_us is None else min(exchange_us, now_us + FUTURE_US)
        if seen_us > self.confirmed_us:
            self.confirmed_us = seen_us

    def apply_snapshot(self, frame: SnapshotFrame) -> Reason | None:
        """Replace a book; returns why the snapshot is invalid, or None."""
        followed = self._books.get(frame.ticker)
        if followed is None:
            return None
        try:
            book = OrderBook(frame.bids, frame.asks)
        except BookError as error:
            self.invalidate(frame.ticker, error.reason, frame_us=frame.received_us)
            return error.reason
        if followed.stale is None and book != followed.book:
            # No sequence gap was detected, yet our copy differs.
            self._context.metrics.count("book_mismatches")
            self._context.log.warning("book differs from its snapshot", ticker=frame.ticker)
        if followed.stale is not None or book != followed.book:
            followed.book = book
            followed.version += 1
            followed.stale = None
            followed.sum.mark_fresh(frame.ticker)
            self._update_sum(followed)
        self.publish_snapshot(followed, frame_us=frame.received_us, exchange_us=frame.exchange_us)
        return None

    def apply_delta(self, frame: DeltaFrame, now_us: int | None = None) -> Reason | None:
        """Change one level; returns why the book has become invalid, or None. ``now_us`` as in ``confirm``."""
        followed = self._books.get(frame.ticker)
        if followed is None or followed.stale is not None:
            return None
        side, price_cc, book = frame.book_side, frame.price_cc, followed.book
        try:
            total_centi = book.change_level(side, price_cc, frame.delta_centi)
        except BookError as error:
            self.invalidate(frame.ticker, error.reason, frame_us=frame.received_us)
            return error.reason
        followed.version += 1
        followed.changed = True
        if self._update_sum(followed):
            self.invalidate(frame.ticker, Reason.CROSSED_BOOK, frame_us=frame.received_us)
            return Reason.CROSSED_BOOK
        context, ticker, epoch, confirmed_us = self._context, frame.ticker, self.epoch, self.confirmed_us
        if now_us is None:
            now_us = context.clock.now_us()
        sum_cc, age_us = followed.sum.read(now_us, confirmed_us)
        self._emit(BookDelta(  # not all by keyword, which would take several times as long
            f"{ticker}:{epoch}:{followed.version}", "", context.account, context.strategy, ticker, context.source,
            frame.exchange_us, now_us,
            epoch=epoch, version=followed.version, confirmed_us=confirmed_us, frame_us=frame.received_us,
            event_yes_sum_cc=sum_cc, event_yes_sum_age_us=age_us, book_side=side, price_cc=price_cc,
            size_centi=total_centi, client_order_id=frame.client_order_id or "",
        ))  # fmt: skip
        if is_due(followed.state_us, now_us):
            self._publish_state(followed, now_us)
        return None

    def publish_trade(self, frame: TradeFrame) -> None:
        """Publish a public trade; it changes no level."""
        followed = self._books.get(frame.ticker)
        if followed is None:
            return
        context, now_us = self._context, self._context.clock.now_us()
        sum_cc, age_us = followed.sum.read(now_us, self.confirmed_us)
        self._emit(PublicTrade(
            id=f"{frame.ticker}:trade:{frame.trade_id}", cause_id="", account=context.account,
            strategy=context.strategy, ticker=frame.ticker, source=context.source, exchange_us=frame.exchange_us,
            produced_us=now_us, epoch=self.epoch, version=followed.version, confirmed_us=self.confirmed_us,
            frame_us=frame.received_us, event_yes_sum_cc=sum_cc, event_yes_sum_age_us=age_us, trade_id=frame.trade_id,
            price_cc=frame.price_cc, size_centi=frame.size_centi, taker_side=frame.taker_side,
        ))  # fmt: skip
        if followed.stale is None and is_due(followed.state_us, now_us):
            self._publish_state(followed, now_us)

    def invalidate(self, ticker: str, reason: Reason, *, frame_us: int) -> None:
        """Mark a fresh book stale and publish that."""
        followed = self._books.get(ticker)
        if followed is None or followed.stale is not None:
            return
        followed.stale = reason
        followed.sum.mark_stale(ticker, self.confirmed_us)
        self._context.metrics.count("books_invalidated", reason=str(reason))
        self._emit(self.stale_message(followed, reason, frame_us=frame_us))
        self._publish_state(followed, self._context.clock.now_us())

    def invalidate_all(self, reason: Reason, *, frame_us: int) -> None:
        for ticker in self._books:
            self.invalidate(ticker, reason, frame_us=frame_us)

    def publish_snapshot(self, followed: FollowedBook, *, frame_us: int, exchange_us: int | None = None) -> None:
        """Publish the whole book, and its state if that is due."""
        now_us = self._context.clock.now_us()
        followed.changed = False
        followed.published_us = now_us
        followed.published_confirmed_us = self.confirmed_us
        self._emit(self.snapshot_message(followed, frame_us=frame_us, exchange_us=exchange_us))
        if is_due(followed.state_us, now_us):
            self._publish_state(followed, now_us)

    def publish_due_snapshots(self, every_us: int, *, frame_us: int) -> None:
        """Publish each fresh book not published for ``every_us``, if it or its confirmed time has changed since."""
        now_us = self._context.clock.now_us()
        for followed in self._books.values():
            if followed.stale is not None or now_us - followed.published_us < every_us:
                continue
            if followed.changed or followed.published_confirmed_us < self.confirmed_us:
                self.publish_snapshot(followed, frame_us=frame_us)

    def snapshot_message(
        self, followed: FollowedBook, *, frame_us: int, exchange_us: int | None = None
    ) -> BookSnapshot:
        """Return the book as a snapshot with its current version."""
        context, now_us = self._context, self._context.clock.now_us()
        self._snapshots += 1
        sum_cc, age_us = followed.sum.read(now_us, self.confirmed_us)
        return BookSnapshot(
            id=f"{followed.ticker}:{self.epoch}:{followed.version}:snapshot:{self._snapshots}", cause_id="",
            account=context.account, strategy=context.strategy, ticker=followed.ticker, source=context.source,
            exchange_us=exchange_us, produced_us=now_us, epoch=self.epoch, version=followed.version,
            confirmed_us=self.confirmed_us, frame_us=frame_us, event_yes_sum_cc=sum_cc, event_yes_sum_age_us=age_us,
            bids=tuple(followed.book.levels(BookSide.BID)), asks=tuple(followed.book.levels(BookSide.ASK)),
        )  # fmt: skip

    def stale_message(self, followed: FollowedBook, reason: Reason, *, frame_us: int) -> BookStale:
        context = self._context
        return BookStale(
            id=f"{followed.ticker}:{self.epoch}:{followed.version}:stale:{reason}:{self._snapshots}", cause_id="",
            account=context.account, strategy=context.strategy, ticker=followed.ticker, source=context.source,
            exchange_us=None, produced_us=context.clock.now_us(), epoch=self.epoch, version=followed.version,
            confirmed_us=self.confirmed_us, frame_us=frame_us, reason=reason,
        )  # fmt: skip

    def collapse(self, tickers: Sequence[str]) -> list[BookMessage]:
        """Return the messages that replace a backlog: per market a stale mark, then a snapshot if the book is fresh."""
        frame_us, messages = self._context.clock.monotonic_us(), list[BookMessage]()
        for followed in (self._books[ticker] for ticker in tickers if ticker in self._books):
            messages.append(self.stale_message(followed, followed.stale or Reason.BACKLOG, frame_us=frame_us))
            if followed.stale is None:
                messages.append(self.snapshot_message(followed, frame_us=frame_us))
        return messages

    def _publish_state(self, followed: FollowedBook, now_us: int) -> None:
        followed.state_us = now_us if followed.stale is None else NOT_PUBLISHED
        self._state_count += 1
        self._emit_state(
            book_state(
                self._context, followed.ticker, epoch=self.epoch, version=followed.version,
                confirmed_us=self.confirmed_us, stale=followed.stale, number=self._state_count,
            )
        )  # fmt: skip

    @staticmethod
    def _update_sum(followed: FollowedBook) -> bool:
        """Update the event's sum; returns whether the book is crossed."""
        bid_cc, ask_cc = followed.book.best_prices_cc()
        bid_plus_ask_cc = None if bid_cc is None or ask_cc is None else bid_cc + ask_cc
        if bid_plus_ask_cc != followed.bid_plus_ask_cc:
            followed.bid_plus_ask_cc = bid_plus_ask_cc
            followed.sum.set_price(followed.ticker, bid_plus_ask_cc)
        return bid_cc is not None and ask_cc is not None and bid_cc >= ask_cc
