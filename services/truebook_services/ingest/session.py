"""The connection to the exchange's market data, and the checks of its health.

Decoded frames go to ``FollowedBooks`` and ``Catalogue``; their results become commands. When the stream may be wrong,
books are marked stale first and snapshots are requested second. A session ends (and the ``Feed`` opens the next one)
when the connection ends, when it or the book subscription is silent, or when the exchange ends that subscription. A
missing or invalid snapshot affects only its market as long as other books are fresh.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from truebook.book.sequence import Verdict
from truebook.clock import MICROS
from truebook.kalshi.port import (
    Connection,
    Connector,
    DeltaFrame,
    FrameError,
    LifecycleFrame,
    OtherFrame,
    SnapshotFrame,
    StreamClosed,
    StreamError,
    StreamEvent,
    Subscribed,
    TradeFrame,
    Unsubscribed,
)
from truebook.kalshi.stream.error_codes import ENDS_SUBSCRIPTION
from truebook.kalshi.stream.frames import decode_frame
from truebook.ledger.port import LedgerStore
from truebook.ledger.verbs import NextNumber
from truebook.messages.reasons import Reason
from truebook.pacing.tokens import TokenBucket
from truebook.runtime.context import Context
from truebook.runtime.dead_letters import publish_dead_letter
from truebook.runtime.frames import Feed
from truebook_services.ingest.books import FollowedBooks
from truebook_services.ingest.catalogue import Catalogue
from truebook_services.ingest.outbox import Outbox
from truebook_services.ingest.settings import IngestSettings
from truebook_services.ingest.subscription import BOOKS, LIFECYCLE, Subscription

EPOCH_COUNTER = "ingest-epoch"
CLOSE_WITHIN_S = 1.0
YIELD_EVERY = 64
"""Frames handled between two yields to the event loop, so that a full socket does not block publishing."""


class MarketDataSession:
    """The current connection, if there is one."""

    def __init__(
        self, context: Context, settings: IngestSettings, *, connector: Connector, ledger: LedgerStore,
        books: FollowedBooks, catalogue: Catalogue, outbox: Outbox,
    ) -> None:  # fmt: skip
        self._context = context
        self._settings = settings
        self._connector = connector
        self._ledger = ledger
        self._books = books
        self._catalogue = catalogue
        self._outbox = outbox
        self._dead_letter_budget = TokenBucket(settings.max_dead_letters_per_s, settings.max_dead_letters_per_s)
        self._undecodable: list[tuple[str, Reason, str]] = []
        self._connection: Connection | None = None
        self._subscription = self._new_subscription()
        self._ended: asyncio.Future[None] | None = None
        self._frame_us = 0
        self._books_received_us = 0
        self._next_probe = 0
        self._failed_probes = 0
        self._without_snapshot: frozenset[str] = frozenset()

    async def run(self, stop: asyncio.Event, feed: Feed) -> None:
        """Read one connection until it ends; raises ``StreamClosed`` or ``StreamRefused``."""
        if not self._books.epoch:
            self._books.epoch = await self._ledger.apply(NextNumber(name=EPOCH_COUNTER))
        connection = await self._connector.connect()
        self._begin(connection)
        self._ended = asyncio.get_running_loop().create_future()
        reader = asyncio.ensure_future(self._read(connection, feed))
        stopper = asyncio.ensure_future(stop.wait())
        reason = Reason.DISCONNECTED
        try:
            await self._send()
            await asyncio.wait((reader, stopper, self._ended), return_when=asyncio.FIRST_COMPLETED)
            if self._ended.done():
                reason = Reason.SILENCE
                self._ended.result()
            if reader.done():
                reader.result()
        finally:
            self._connection = None
            for task in (reader, stopper, self._ended):
                task.cancel()
            await asyncio.gather(reader, stopper, return_exceptions=True)
            self._books.invalidate_all(reason, frame_us=self._context.clock.monotonic_us())
            with suppress(TimeoutError, StreamClosed):
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    await connection.close()
            if stop.is_set():
                await self._outbox.publish_now()

    async def follow(self) -> None:
        """Follow exactly the markets that the catalogue has selected."""
        selected = self._catalogue.selected
        for ticker in [followed.ticker for followed in self._books.all() if followed.ticker not in selected]:
            self._books.unfollow(ticker)
        for ticker in sorted(selected):
            self._books.follow(ticker, self._catalogue.event_of(ticker))
        if self._connection is not None:
            self._subscription.set_markets(selected, self._context.clock.monotonic_us())
            await self._send()

    async def watch(self) -> None:
        """Check the connection's health, retry overdue snapshots, publish due ones.

        While no market is followed, silence is normal.
        """
        if self._connection is None or self._ended is None or self._ended.done():
            return
        clock, settings = self._context.clock, self._settings
        monotonic_us = clock.monotonic_us()
        is_followed = any(True for _ in self._books.all())
        if is_followed and monotonic_us - self._frame_us > settings.silence_s * MICROS:
            self._ended.set_exception(StreamClosed(f"no frame for {settings.silence_s} s"))
            return
        if not self._subscription.retry_snapshots(self._books.stale_tickers(), monotonic_us):
            self._ended.set_exception(StreamClosed("requested snapshots were not received"))
            return
        if self._failed_probes >= settings.max_snapshot_requests:
            self._ended.set_exception(StreamClosed("the book subscription does not respond any more"))
            return
        self._log_missing_snapshots()
        if clock.now_us() - self._books_received_us > settings.idle_probe_s * MICROS:
            self._probe_books(monotonic_us)
        self._books.publish_due_snapshots(int(settings.snapshot_every_s * MICROS), frame_us=monotonic_us)
        await self._send()

    def _log_missing_snapshots(self) -> None:
        missing, attempts = self._subscription.without_snapshot(), self._settings.max_snapshot_requests
        for ticker in sorted(missing - self._without_snapshot):
            self._context.log.warning("snapshot requests timed out; book stays stale", ticker=ticker, attempts=attempts)
        self._without_snapshot = missing

    def _begin(self, connection: Connection) -> None:
        clock = self._context.clock
        self._connection = connection
        self._subscription = self._new_subscription()
        self._subscription.set_markets(self._catalogue.selected, clock.monotonic_us())
        self._frame_us, self._books_received_us = clock.monotonic_us(), clock.now_us()
        self._failed_probes, self._without_snapshot = 0, frozenset()

    def _new_subscription(self) -> Subscription:
        return Subscription(int(self._settings.snapshot_timeout_s * MICROS), self._settings.max_snapshot_requests)

    async def _read(self, connection: Connection, feed: Feed) -> None:
        clock = self._context.clock
        is_ready, frames = False, 0
        while True:
            text = await connection.receive()
            self._frame_us = clock.monotonic_us()
            self._decode_and_handle(text, self._frame_us)
            if (
                not is_ready
                and self._catalogue.has_selected
                and self._without_snapshot.issuperset(self._books.stale_tickers())
            ):
                feed.mark_healthy()  # every book is fresh, except those without a snapshot
                is_ready = True
            if self._subscription.has_commands or self._undecodable:
                await self._send()
            frames += 1
            if frames % YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def _send(self) -> None:
        """Send the pending commands and publish the pending dead letters."""
        connection = self._connection
        if connection is None:
            return
        for command in self._subscription.take_commands():
            await connection.send(command)
        if self._undecodable:
            undecodable, self._undecodable = self._undecodable, []
            for text, reason, detail in undecodable:
                await publish_dead_letter(
                    self._context, origin="market data", key="", payload=text, reason=reason, detail=detail
                )

    def _decode_and_handle(self, text: str, received_us: int) -> None:
        try:
            event = decode_frame(text, received_us)
        except FrameError as error:
            self._handle_undecodable(text, error)
            return
        if event is None:
            return
        if type(event) is DeltaFrame and self._subscription.take_next_of_books(event.sid, event.seq, text):
            self._handle_delta(event)  # nearly every frame
        elif self._is_new(event, text):
            self._handle(event, text)

    def _is_new(self, event: StreamEvent, text: str) -> bool:
        """Check the frame's sequence number; False for a repetition, which confirms nothing.

        After a gap the frame itself is still handled. So it is after a restart of the numbers, except a snapshot: it
        may be an old one, and a newer one has been requested. Raises ``StreamClosed`` for a book frame of another
        subscription: books can't be followed in two sequences.
        """
        sid, is_book_frame = event.sid, isinstance(event, SnapshotFrame | DeltaFrame)
        if is_book_frame and (event.seq is None or self._subscription.is_foreign_to_books(sid)):
            raise StreamClosed(f"book frame outside the sequence of its subscription (sid {sid}, seq {event.seq})")
        is_books = is_book_frame or self._subscription.is_books(sid)
        if sid is not None and event.seq is not None:
            verdict = self._subscription.take_seq(sid, event.seq, text)
            if verdict == "repeated":
                self._context.metrics.count("frames_repeated")
                return False
            if verdict != "next":
                self._handle_gap(sid, verdict, is_books)
                if verdict == "restart" and isinstance(event, SnapshotFrame):
                    return False
        if is_books:
            self._books_received_us, self._failed_probes = self._context.clock.now_us(), 0
        return True

    def _handle_gap(self, sid: int, verdict: Verdict, is_books: bool) -> None:
        channel = BOOKS if is_books else self._subscription.channel_of(sid) or "unknown"
        self._context.metrics.count("sequence_gaps", channel=channel)
        event = "sequence gap" if verdict == "gap" else "sequence restarted"
        self._context.log.warning(event, channel=channel)
        if is_books:
            self._invalidate_all(Reason.SEQUENCE_GAP)
        elif channel == LIFECYCLE:
            self._catalogue.refresh_soon()

    def _invalidate_all(self, reason: Reason) -> None:
        """Mark all books stale, then request their snapshots."""
        self._books.invalidate_all(reason, frame_us=self._frame_us)
        self._subscription.request_snapshots(self._books.stale_tickers(), self._frame_us)

    def _handle_undecodable(self, text: str, error: FrameError) -> None:
        """Publish a frame as a dead letter.

        If its sequence number is readable, it counts in the sequence and its market's book becomes stale; without a
        readable market all books do.
        """
        self._context.metrics.count("frames_unreadable")
        self._dead_letter(text, Reason.UNDECODABLE, str(error))
        if error.sid is None or error.seq is None:
            return
        verdict = self._subscription.take_seq(error.sid, error.seq, text)
        if self._subscription.channel_of(error.sid) == LIFECYCLE:
            self._catalogue.refresh_soon()
        if verdict == "repeated" or not self._subscription.is_books(error.sid):
            return
        if verdict != "next" or error.ticker is None:
            self._invalidate_all(Reason.UNDECODABLE)
        else:
            self._books.invalidate(error.ticker, Reason.UNDECODABLE, frame_us=self._frame_us)
            self._subscription.request_snapshots((error.ticker,), self._frame_us)

    def _dead_letter(self, text: str, reason: Reason, detail: str) -> None:
        if self._dead_letter_budget.take(1, self._context.clock.monotonic_us()):
            self._undecodable.append((text, reason, detail))
        else:
            self._context.metrics.count("dead_letters_withheld", reason=str(reason))

    def _handle(self, event: StreamEvent, text: str) -> None:
        match event:
            case DeltaFrame():
                self._handle_delta(event)
            case SnapshotFrame():
                self._books.confirm(event.sent_us or event.exchange_us)
                reason = self._books.apply_snapshot(event)
                if reason is None:
                    self._subscription.snapshot_received(event.ticker, event.received_us)
                # An invalid snapshot is requested again by ``watch``, after the timeout, to avoid a tight loop.
            case TradeFrame():
                self._books.publish_trade(event)
            case LifecycleFrame():
                self._catalogue.apply_lifecycle(event)
            case Subscribed():
                if event.sid is not None:
                    self._subscription.confirmed(event.channel, event.sid, event.received_us)
            case StreamError():
                self._handle_error(event)
            case Unsubscribed():
                raise StreamClosed("the exchange ended a subscription")
            case OtherFrame(known=False):
                self._context.metrics.count("frames_unknown")
                self._dead_letter(text, Reason.UNKNOWN_TYPE, f"frame type {event.type!r}")
            case OtherFrame(type="event_fee_update"):
                self._catalogue.fees_changed()
            case _ if self._subscription.is_books(event.sid):
                self._books.confirm(event.sent_us)

    def _handle_delta(self, delta: DeltaFrame) -> None:
        """Handle a delta whose sequence number has been checked."""
        now_us = self._context.clock.now_us()
        self._books_received_us, self._failed_probes = now_us, 0
        self._books.confirm(delta.sent_us or delta.exchange_us, now_us)
        reason = self._books.apply_delta(delta, now_us)
        if reason is not None:
            self._context.log.warning("book invalidated", ticker=delta.ticker, reason=str(reason))
            self._subscription.request_snapshots((delta.ticker,), self._frame_us)

    def _handle_error(self, error: StreamError) -> None:
        self._context.metrics.count("stream_errors", code=str(error.code))
        self._context.log.warning("exchange refused a command", code=error.code, detail=error.message)
        if error.code in ENDS_SUBSCRIPTION or error.command_id in self._subscription.subscribe_ids:
            raise StreamClosed(f"error {error.code}: {error.message}")

    def _probe_books(self, monotonic_us: int) -> None:
        """Request the snapshot of one fresh book, in turn: it confirms the time of all books and checks one."""
        fresh = [followed.ticker for followed in self._books.all() if followed.stale is None]
        if fresh:
            self._next_probe = (self._next_probe + 1) % len(fresh)
            self._subscription.request_snapshots((fresh[self._next_probe],), monotonic_us)
            self._failed_probes += 1
        self._books_received_us = self._context.clock.now_us()
