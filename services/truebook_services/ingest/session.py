"""One connection with the exchange's market data after the other, and the watch over them.

Decoded frames go to ``FollowedBooks`` and ``Catalogue``; what they answer becomes commands. Whatever makes the stream
untrustworthy makes books stale first and is mended second. A session ends (and the ``Feed`` opens the next one) when
the connection does, when it or the books' subscription is silent, or when the exchange ends that subscription. A book
that does not come, or can't be read, is that market's trouble alone as long as others come.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from truebook.clock import MICROS
from truebook.kalshi.frames import decode_frame
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
from truebook.ledger.port import LedgerStore
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
TERMINAL_ERRORS = frozenset({10, 25})
"""Channel error and buffer overflow: the exchange has ended the subscription."""
FRAMES_PER_TURN = 64
"""A full socket must not keep the publisher from its turn."""


class Session:
    """The state of the current connection, if there is one."""

    def __init__(
        self, context: Context, settings: IngestSettings, connector: Connector, ledger: LedgerStore,
        books: FollowedBooks, catalogue: Catalogue, outbox: Outbox,
    ) -> None:  # fmt: skip
        self._context = context
        self._settings = settings
        self._connector = connector
        self._ledger = ledger
        self._books = books
        self._catalogue = catalogue
        self._outbox = outbox
        self._letters = TokenBucket(settings.most_letters_per_s, settings.most_letters_per_s)
        self._unreadable: list[tuple[str, Reason, str]] = []
        self._connection: Connection | None = None
        self._subscription = self._new_subscription()
        self._ended: asyncio.Future[None] | None = None
        self._frame_us = 0
        self._books_heard_us = 0
        self._probe = 0
        self._vain_probes = 0
        self._given_up: frozenset[str] = frozenset()

    async def run(self, stop: asyncio.Event, feed: Feed) -> None:
        """Serve one connection until it ends; raises ``StreamClosed`` or ``StreamRefused``."""
        if not self._books.epoch:
            self._books.epoch = await self._ledger.next_number(EPOCH_COUNTER)
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
            self._books.lose_all(reason, frame_us=self._context.clock.monotonic_us())
            with suppress(TimeoutError, StreamClosed):
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    await connection.close()
            if stop.is_set():
                await self._outbox.publish_now()

    async def follow(self) -> None:
        """Bring books and subscriptions to the markets that the catalogue wants."""
        wanted = self._catalogue.wanted
        for ticker in [followed.ticker for followed in self._books.all() if followed.ticker not in wanted]:
            self._books.unfollow(ticker)
        for ticker in sorted(wanted):
            self._books.follow(ticker, self._catalogue.event_of(ticker))
        if self._connection is not None:
            self._subscription.want(wanted, self._context.clock.monotonic_us())
            await self._send()

    async def watch(self) -> None:
        """Look after the connection's health, overdue books and due snapshots.

        While nothing is followed nothing can be asked for, and silence means nothing.
        """
        if self._connection is None or self._ended is None or self._ended.done():
            return
        clock, settings = self._context.clock, self._settings
        monotonic_us = clock.monotonic_us()
        is_followed = any(True for _ in self._books.all())
        if is_followed and monotonic_us - self._frame_us > settings.silence_s * MICROS:
            self._ended.set_exception(StreamClosed(f"no frame for {settings.silence_s} s"))
            return
        if not self._subscription.ask_again(self._books.stale_tickers(), monotonic_us):
            self._ended.set_exception(StreamClosed("books that were asked for do not come"))
            return
        if self._vain_probes >= settings.most_asks:
            self._ended.set_exception(StreamClosed("the books' subscription does not answer any more"))
            return
        self._note_given_up()
        if clock.now_us() - self._books_heard_us > settings.quiet_s * MICROS:
            self._ask_for_a_sign_of_life(monotonic_us)
        self._books.publish_due_snapshots(int(settings.snapshot_every_s * MICROS), frame_us=monotonic_us)
        await self._send()

    def _note_given_up(self) -> None:
        given_up = self._subscription.given_up()
        for ticker in sorted(given_up - self._given_up):
            self._context.log.warning("a book does not come: its market stays stale", ticker=ticker)
        self._given_up = given_up

    def _begin(self, connection: Connection) -> None:
        clock = self._context.clock
        self._connection = connection
        self._subscription = self._new_subscription()
        self._subscription.want(self._catalogue.wanted, clock.monotonic_us())
        self._frame_us, self._books_heard_us = clock.monotonic_us(), clock.now_us()
        self._vain_probes, self._given_up = 0, frozenset()

    def _new_subscription(self) -> Subscription:
        return Subscription(int(self._settings.ask_again_s * MICROS), self._settings.most_asks)

    async def _read(self, connection: Connection, feed: Feed) -> None:
        clock = self._context.clock
        is_ready, turn = False, 0
        while True:
            text = await connection.receive()
            self._frame_us = clock.monotonic_us()
            self._take(text, self._frame_us)
            if not is_ready and self._catalogue.chosen_once and self._given_up.issuperset(self._books.stale_tickers()):
                feed.healthy()  # all books are there that will come: readers find what they need
                is_ready = True
            await self._send()
            turn += 1
            if turn % FRAMES_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _send(self) -> None:
        """Send the commands and publish the dead letters that handling frames has left behind."""
        connection = self._connection
        if connection is None:
            return
        for command in self._subscription.take_commands():
            await connection.send(command)
        if self._unreadable:
            unreadable, self._unreadable = self._unreadable, []
            for text, reason, detail in unreadable:
                await publish_dead_letter(
                    self._context, origin="market data", key="", payload=text, reason=reason, detail=detail
                )

    def _take(self, text: str, received_us: int) -> None:
        try:
            event = decode_frame(text, received_us)
        except FrameError as error:
            self._take_unreadable(text, error)
            return
        if event is not None and self._is_in_order(event):
            self._handle(event, text)

    def _is_in_order(self, event: StreamEvent) -> bool:
        """Judge the frame's number; after a gap the frame itself still counts. False: a repetition."""
        sid = event.sid
        if isinstance(event, SnapshotFrame | DeltaFrame) or self._subscription.is_books(sid):
            self._books_heard_us, self._vain_probes = self._context.clock.now_us(), 0
        if sid is None or event.seq is None:
            return True
        verdict = self._subscription.take_seq(sid, event.seq)
        if verdict == "gap":
            self._lost_frames(sid, isinstance(event, SnapshotFrame | DeltaFrame))
        elif verdict == "old":
            self._context.metrics.count("frames_repeated")
        return verdict != "old"

    def _lost_frames(self, sid: int, is_books: bool) -> None:
        is_books = is_books or self._subscription.is_books(sid)
        channel = BOOKS if is_books else self._subscription.channel_of(sid) or "unknown"
        self._context.metrics.count("sequence_gaps", channel=channel)
        self._context.log.warning("sequence gap", channel=channel)
        if is_books:
            self._distrust_all(Reason.SEQUENCE_GAP)
        elif channel == LIFECYCLE:
            self._catalogue.refresh_soon()

    def _distrust_all(self, reason: Reason) -> None:
        """All books of the subscription may be wrong: stale first, then ask for all that are not on their way."""
        self._books.lose_all(reason, frame_us=self._frame_us)
        self._subscription.ask(self._books.stale_tickers(), self._frame_us)

    def _take_unreadable(self, text: str, error: FrameError) -> None:
        """Put a frame aside. If it had a number, its place in the sequence is kept and what it told is lost: of one
        market, where it can be read of which.
        """
        self._context.metrics.count("frames_unreadable")
        self._put_aside(text, Reason.UNDECODABLE, str(error))
        if error.sid is None or error.seq is None:
            return
        verdict = self._subscription.take_seq(error.sid, error.seq)
        if verdict == "old" or not self._subscription.is_books(error.sid):
            return
        if verdict == "gap" or error.ticker is None:
            self._distrust_all(Reason.UNDECODABLE)
        else:
            self._books.lose(error.ticker, Reason.UNDECODABLE, frame_us=self._frame_us)
            self._subscription.ask((error.ticker,), self._frame_us)

    def _put_aside(self, text: str, reason: Reason, detail: str) -> None:
        if self._letters.take(1, self._context.clock.monotonic_us()):
            self._unreadable.append((text, reason, detail))
        else:
            self._context.metrics.count("dead_letters_withheld", reason=str(reason))

    def _handle(self, event: StreamEvent, text: str) -> None:
        match event:
            case DeltaFrame():
                self._books.confirm(event.sent_us or event.exchange_us)
                self._ask_if_lost(event.ticker, self._books.take_delta(event))
            case SnapshotFrame():
                self._books.confirm(event.sent_us or event.exchange_us)
                reason = self._books.take_snapshot(event)
                if reason is None:
                    self._subscription.arrived(event.ticker, event.received_us)
                # A snapshot that is itself wrong is asked for again by the watch, not at once and for ever.
            case TradeFrame():
                self._books.take_trade(event)
            case LifecycleFrame():
                self._catalogue.take_lifecycle(event)
            case Subscribed():
                if event.sid is not None:
                    self._subscription.confirmed(event.channel, event.sid, event.received_us)
            case StreamError():
                self._take_error(event)
            case Unsubscribed():
                raise StreamClosed("the exchange ended a subscription")
            case OtherFrame(known=False):
                self._context.metrics.count("frames_unknown")
                self._put_aside(text, Reason.UNKNOWN_TYPE, f"frame type {event.type!r}")
            case OtherFrame(type="event_fee_update"):
                self._catalogue.facts_changed()
            case _ if self._subscription.is_books(event.sid):
                self._books.confirm(event.sent_us)

    def _ask_if_lost(self, ticker: str, reason: Reason | None) -> None:
        if reason is not None:
            self._context.log.warning("book lost", ticker=ticker, reason=str(reason))
            self._subscription.ask((ticker,), self._frame_us)

    def _take_error(self, error: StreamError) -> None:
        self._context.metrics.count("stream_errors", code=str(error.code))
        self._context.log.warning("the exchange refused a command", code=error.code, detail=error.message)
        if error.code in TERMINAL_ERRORS or error.command_id in self._subscription.subscribe_ids:
            raise StreamClosed(f"error {error.code}: {error.message}")

    def _ask_for_a_sign_of_life(self, monotonic_us: int) -> None:
        """Ask for one fresh book, each time the next one: its answer confirms the time of all, and checks one."""
        fresh = [followed.ticker for followed in self._books.all() if followed.stale is None]
        if fresh:
            self._probe = (self._probe + 1) % len(fresh)
            self._subscription.ask((fresh[self._probe],), monotonic_us)
            self._vain_probes += 1
        self._books_heard_us = self._context.clock.now_us()
