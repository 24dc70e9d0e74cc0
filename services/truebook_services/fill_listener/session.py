"""One connection: subscribe → wait for the confirmations → backfill by REST → follow the live frames.

The backfill starts after the confirmations: what happens after them is delivered by the socket, what happened before is
in the lists. A report received twice is harmless.
"""

from __future__ import annotations

import asyncio
from typing import Final

from truebook.clock import MICROS
from truebook.kalshi.port import (
    Connection,
    Connector,
    FillFrame,
    FrameError,
    LifecycleFrame,
    OrderFrame,
    StreamClosed,
    StreamError,
    StreamEvent,
    Subscribed,
)
from truebook.kalshi.stream.commands import subscribe
from truebook.kalshi.stream.error_codes import ENDS_SUBSCRIPTION
from truebook.kalshi.stream.frames import decode_frame
from truebook.messages.reasons import Reason
from truebook.runtime.context import Context
from truebook.runtime.dead_letters import dead_letter
from truebook.runtime.frames import Feed
from truebook_services.fill_listener.backfill import Backfill
from truebook_services.fill_listener.outbox import FillPublisher
from truebook_services.fill_listener.recorder import FillRecorder
from truebook_services.fill_listener.settings import FillListenerSettings
from truebook_services.fill_listener.socket_buffer import SocketBuffer

CHANNELS: Final = ("fill", "user_orders", "market_lifecycle_v2")
SUBSCRIBE_ID: Final = 1
PROBE: Final = '{"id":2,"cmd":"list_subscriptions"}'
"""Any command that the exchange replies to shows that the connection works."""
POLL_S: Final = 0.2


class Session:
    """Run by a ``Feed``, one connection after another; a fill that the socket missed ends the current one."""

    def __init__(
        self,
        context: Context,
        settings: FillListenerSettings,
        connector: Connector,
        *,
        recorder: FillRecorder,
        backfill: Backfill,
        publisher: FillPublisher,
    ) -> None:
        self._context = context
        self._settings = settings
        self._connector = connector
        self._recorder = recorder
        self._backfill = backfill
        self._publisher = publisher
        self._live_since_us: int | None = None
        self._missed = ""

    async def run(self, stop: asyncio.Event, feed: Feed) -> None:
        """Follow one connection; raise ``StreamClosed`` when it ends."""
        await self._recorder.wait_until_open(stop)
        if stop.is_set():
            return
        connection = await self._connector.connect()
        try:
            async with SocketBuffer(connection, self._settings.max_buffered_frames) as buffer:
                await connection.send(subscribe(SUBSCRIBE_ID, CHANNELS))
                await self._until_subscribed(buffer, stop)
                await self._backfill.sweep()
                feed.mark_healthy()
                self._live_since_us = self._context.clock.now_us()
                await self._follow(connection, buffer, stop)
                await self._recorder.flush()
        finally:
            self._live_since_us = None

    async def resweep(self) -> None:
        """Sweep while the socket is live; end the connection if it has not delivered a fill that the sweep found."""
        if not await self._recorder.is_open():
            return
        live_since_us = self._live_since_us
        new_us = await self._backfill.sweep()
        if live_since_us is None or live_since_us != self._live_since_us:
            return
        latest_us = self._context.clock.now_us() - int(self._settings.missed_after_s * MICROS)
        missed = [created_us for created_us in new_us if live_since_us < created_us < latest_us]
        if missed:
            self._missed = f"the socket has not delivered {len(missed)} fills"

    async def _until_subscribed(self, buffer: SocketBuffer, stop: asyncio.Event) -> None:
        missing = set(CHANNELS)
        until_us = self._context.clock.monotonic_us() + int(self._settings.subscribe_timeout_s * MICROS)
        while missing and not stop.is_set():
            text = await buffer.next(POLL_S)
            event = await self._handle(text) if text is not None else None
            if isinstance(event, Subscribed):
                missing.discard(event.channel)
            if missing and self._context.clock.monotonic_us() > until_us:
                raise StreamClosed(f"subscriptions not confirmed in time: {', '.join(sorted(missing))}")

    async def _follow(self, connection: Connection, buffer: SocketBuffer, stop: asyncio.Event) -> None:
        received_us = self._context.clock.monotonic_us()
        probed = False
        self._missed = ""
        poll_s = min(POLL_S, self._settings.idle_probe_s / 2)
        while not stop.is_set():
            text = await buffer.next(poll_s)
            now_us = self._context.clock.monotonic_us()
            if text is not None:
                received_us, probed = now_us, False
                await self._handle(text)
            elif now_us - received_us > self._settings.silence_s * MICROS:
                raise StreamClosed(f"no frame for {self._settings.silence_s} s")
            elif not probed and now_us - received_us > self._settings.idle_probe_s * MICROS:
                probed = True
                await connection.send(PROBE)
            if self._missed:
                raise StreamClosed(self._missed)

    async def _handle(self, text: str) -> StreamEvent | None:
        """Handle one frame. An undecodable one becomes a dead letter; the next sweep records what it reported."""
        try:
            event = decode_frame(text, self._context.clock.monotonic_us())
        except FrameError as error:
            letter = dead_letter(
                self._context, origin="private socket", key=self._context.account, payload=text,
                reason=Reason.UNDECODABLE, detail=str(error),
            )  # fmt: skip
            self._publisher.add_dead_letter(letter)
            return None
        match event:
            case FillFrame(fill=fill):
                await self._recorder.fill(fill)
            case OrderFrame(order=order):
                await self._recorder.order(order)
            case LifecycleFrame(event_type="settled"):
                await self._backfill.settle(event.ticker, event.settlement_cc)
            case StreamError(command_id=command, code=code, message=message):
                if command == SUBSCRIBE_ID or code in ENDS_SUBSCRIPTION:
                    raise StreamClosed(f"the exchange ended a subscription: {code} {message}")
            case _:
                pass
        return event
