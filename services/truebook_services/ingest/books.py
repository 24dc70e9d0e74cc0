"""Ingest's own full-depth copy of every followed book, and the ``orderbook`` messages that its changes make.

Takes decoded frames of one subscription whose sequence has been checked, answers with the messages to be published
(through ``emit``) and with what is wrong. It does no I/O. A book that is *stale* ignores deltas until its snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from truebook.book.order_book import BookError, OrderBook
from truebook.kalshi.port import DeltaFrame, SnapshotFrame, TradeFrame
from truebook.messages.envelope import BookSide
from truebook.messages.orderbook import BookDelta, BookMessage, BookSnapshot, BookStale, PublicTrade
from truebook.messages.reasons import Reason
from truebook.runtime.context import Context
from truebook_services.ingest.event_sums import EventSum

FUTURE_US = 1_000_000
"""An exchange time further ahead of our clock than this is not believed: it would keep books fresh for ever."""


def _nowhere(message: BookMessage) -> None:
    raise AssertionError(f"no outbox for {message.id}")


class FollowedBook:
    """One market's book with its version, and what was last published of it."""

    __slots__ = ("book", "changed", "doubled_mid_cc", "event", "published_confirmed_us", "published_us", "stale",
                 "sum", "ticker", "version")  # fmt: skip

    def __init__(self, ticker: str, event: str, event_sum: EventSum) -> None:
        self.ticker = ticker
        self.event = event
        self.sum = event_sum
        self.book = OrderBook()
        self.version = 0
        self.stale: Reason | None = Reason.NO_SNAPSHOT
        self.changed = False
        """Since the last published snapshot."""
        self.published_us = 0
        self.published_confirmed_us = 0
        self.doubled_mid_cc: int | None = None


class FollowedBooks:
    """All followed books of the connection; versions go on over reconnects, as the epoch does."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._emit: Callable[[BookMessage], None] = _nowhere
        self._books: dict[str, FollowedBook] = {}
        self._first_version = 0
        """Where a newly followed book counts on from, so that no version of one epoch comes twice."""
        self._sums: dict[str, EventSum] = {}
        self._members: dict[str, frozenset[str]] = {}
        self._snapshots = 0
        self.epoch = 0
        self.confirmed_us = 0

    def publish_through(self, emit: Callable[[BookMessage], None]) -> None:
        """State where messages go; the outbox and the books need each other."""
        self._emit = emit

    def __contains__(self, ticker: str) -> bool:
        return ticker in self._books

    def get(self, ticker: str) -> FollowedBook | None:
        return self._books.get(ticker)

    def all(self) -> Iterable[FollowedBook]:
        return self._books.values()

    def stale_tickers(self) -> tuple[str, ...]:
        return tuple(ticker for ticker, followed in self._books.items() if followed.stale is not None)

    def follow(self, ticker: str, event: str) -> None:
        """Begin with a market: stale until its snapshot."""
        if ticker in self._books:
            return
        event_sum = self._sums.setdefault(event, EventSum())
        event_sum.know(self._members.get(event, frozenset()))
        event_sum.add(ticker)
        followed = self._books[ticker] = FollowedBook(ticker, event, event_sum)
        followed.version = self._first_version

    def unfollow(self, ticker: str) -> None:
        """End with a market; its readers learn that nobody tends the book any more."""
        followed = self._books.get(ticker)
        if followed is None:
            return
        self.lose(ticker, Reason.NO_SNAPSHOT, frame_us=self._context.clock.monotonic_us())
        self._first_version = max(self._first_version, followed.version)
        followed.sum.remove(ticker)
        if followed.sum.is_empty:
            self._sums.pop(followed.event, None)
        del self._books[ticker]

    def know_events(self, members: dict[str, frozenset[str]]) -> None:
        """State which active markets each event has; of an event not named only the followed ones are known."""
        self._members = members
        for event, event_sum in self._sums.items():
            event_sum.know(members.get(event, frozenset()))

    def confirm(self, exchange_us: int | None) -> None:
        """Move the subscription's time on: by the frame's own time, else by our clock."""
        now_us = self._context.clock.now_us()
        seen_us = now_us if exchange_us is None else min(exchange_us, now_us + FUTURE_US)
        if seen_us > self.confirmed_us:
            self.confirmed_us = seen_us

    def take_snapshot(self, frame: SnapshotFrame) -> Reason | None:
        """Replace a book; answers why it can't be trusted, where it can't."""
        followed = self._books.get(frame.ticker)
        if followed is None:
            return None
        try:
            book = OrderBook(frame.bids, frame.asks)
        except BookError as error:
            self.lose(frame.ticker, error.reason, frame_us=frame.received_us)
            return error.reason
        if followed.stale is None and book != followed.book:
            # The stream was whole, and yet our copy was another: worth knowing, since no gap was seen.
            self._context.metrics.count("book_mismatches")
            self._context.log.warning("book differs from its snapshot", ticker=frame.ticker)
        if followed.stale is not None or book != followed.book:
            followed.book = book
            followed.version += 1
            followed.stale = None
            followed.sum.fresh(frame.ticker)
            self._price(followed)
        self.publish_snapshot(followed, frame_us=frame.received_us, exchange_us=frame.exchange_us)
        return None

    def take_delta(self, frame: DeltaFrame) -> Reason | None:
        """Change one level; answers why the book can't be trusted any more, where that is so."""
        followed = self._books.get(frame.ticker)
        if followed is None or followed.stale is not None:
            return None
        side, price_cc, book = frame.book_side, frame.price_cc, followed.book
        try:
            total_centi = book.change_level(side, price_cc, frame.delta_centi)
        except BookError as error:
            self.lose(frame.ticker, error.reason, frame_us=frame.received_us)
            return error.reason
        followed.version += 1
        followed.changed = True
        self._price(followed)
        if frame.delta_centi > 0 and book.is_crossed():
            self.lose(frame.ticker, Reason.CROSSED_BOOK, frame_us=frame.received_us)
            return Reason.CROSSED_BOOK
        context, now_us = self._context, self._context.clock.now_us()
        sum_cc, age_us = followed.sum.read(now_us, self.confirmed_us)
        self._emit(BookDelta(
            id=f"{frame.ticker}:{self.epoch}:{followed.version}", cause_id="", account=context.account,
            strategy=context.strategy, ticker=frame.ticker, source=context.source, exchange_us=frame.exchange_us,
            produced_us=now_us, epoch=self.epoch, version=followed.version, confirmed_us=self.confirmed_us,
            frame_us=frame.received_us, event_yes_sum_cc=sum_cc, event_yes_sum_age_us=age_us,
            book_side=side, price_cc=price_cc, size_centi=total_centi, client_order_id=frame.client_order_id or "",
        ))  # fmt: skip
        return None

    def take_trade(self, frame: TradeFrame) -> None:
        """Pass a public trade on; it changes no level."""
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

    def lose(self, ticker: str, reason: Reason, *, frame_us: int) -> None:
        """Mark a book stale at once and tell its readers; a book that is stale already is not told again."""
        followed = self._books.get(ticker)
        if followed is None or followed.stale is not None:
            return
        followed.stale = reason
        followed.sum.stale(ticker, self.confirmed_us)
        self._context.metrics.count("stale_books", reason=str(reason))
        self._emit(self.stale_mark(followed, reason, frame_us=frame_us))

    def lose_all(self, reason: Reason, *, frame_us: int) -> None:
        for ticker in self._books:
            self.lose(ticker, reason, frame_us=frame_us)

    def publish_snapshot(self, followed: FollowedBook, *, frame_us: int, exchange_us: int | None = None) -> None:
        """Publish a fresh book whole."""
        followed.changed = False
        followed.published_us = self._context.clock.now_us()
        followed.published_confirmed_us = self.confirmed_us
        self._emit(self.snapshot_of(followed, frame_us=frame_us, exchange_us=exchange_us))

    def publish_due_snapshots(self, every_us: int, *, frame_us: int) -> None:
        """Publish each fresh book that was not published for ``every_us`` and has changed or become newer since."""
        now_us = self._context.clock.now_us()
        for followed in self._books.values():
            if followed.stale is not None or now_us - followed.published_us < every_us:
                continue
            if followed.changed or followed.published_confirmed_us < self.confirmed_us:
                self.publish_snapshot(followed, frame_us=frame_us)

    def snapshot_of(self, followed: FollowedBook, *, frame_us: int, exchange_us: int | None = None) -> BookSnapshot:
        """Write a book as a snapshot; one that changed nothing carries the version that the book has."""
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

    def stale_mark(self, followed: FollowedBook, reason: Reason, *, frame_us: int) -> BookStale:
        context = self._context
        return BookStale(
            id=f"{followed.ticker}:{self.epoch}:{followed.version}:stale:{reason}:{self._snapshots}", cause_id="",
            account=context.account, strategy=context.strategy, ticker=followed.ticker, source=context.source,
            exchange_us=None, produced_us=context.clock.now_us(), epoch=self.epoch, version=followed.version,
            confirmed_us=self.confirmed_us, frame_us=frame_us, reason=reason,
        )  # fmt: skip

    def collapse(self, tickers: Sequence[str]) -> list[BookMessage]:
        """Write what a reader needs in place of a backlog: a stale mark, then the book, or why there is none."""
        frame_us, messages = self._context.clock.monotonic_us(), list[BookMessage]()
        for followed in (self._books[ticker] for ticker in tickers if ticker in self._books):
            messages.append(self.stale_mark(followed, followed.stale or Reason.BACKLOG, frame_us=frame_us))
            if followed.stale is None:
                messages.append(self.snapshot_of(followed, frame_us=frame_us))
        return messages

    @staticmethod
    def _price(followed: FollowedBook) -> None:
        bid, ask = followed.book.best(BookSide.BID), followed.book.best(BookSide.ASK)
        doubled_mid_cc = None if bid is None or ask is None else bid[0] + ask[0]
        if doubled_mid_cc != followed.doubled_mid_cc:
            followed.doubled_mid_cc = doubled_mid_cc
            followed.sum.price(followed.ticker, doubled_mid_cc)
