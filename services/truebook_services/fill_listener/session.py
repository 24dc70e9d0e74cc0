"""One connection's life: subscribe → wait for the confirmations → backfill by REST → follow the live frames.

The confirmations come before the backfill: whatever happens after them is told by the socket, whatever happened before
is in the lists. What is told twice is harmless.
"""

from __future__ import annotations

import asyncio
from typing import Final

from truebook.kalshi.commands import subscribe
from truebook.kalshi.frames import decode_frame
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
from truebook.ledger.port import LedgerStore
from truebook.messages.reasons import Reason
from truebook.runtime.context import Context
from truebook.runtime.dead_letters import publish_dead_letter
from truebook.runtime.frames import Feed
from truebook_services.fill_listener.backfill import Backfill
from truebook_services.fill_listener.booking import Booking
from truebook_services.fill_listener.inbox import Inbox
from truebook_services.fill_listener.settings import FillListenerSettings
from truebook_services.fill_listener.telling import Telling

CHANNELS: Final = ("fill", "user_orders", "market_lifecycle_v2")
SUBSCRIBE_ID: Final = 1
SIGN_OF_LIFE: Final = '{"id":2,"cmd":"list_subscriptions"}'
ENDS_SUBSCRIPTION: Final = frozenset({10, 25})
POLL_S: Final = 0.2


class Session:
    """What a ``Feed`` runs again and again; ``doubt`` ends the connection that is followed now."""

    def __init__(
        self,
        context: Context,
        settings: FillListenerSettings,
        connector: Connector,
        ledger: LedgerStore,
        *,
        booking: Booking,
        backfill: Backfill,
        telling: Telling,
    ) -> None:
        self._context = context
        self._settings = settings
        self._connector = connector
        self._ledger = ledger
        self._booking = booking
        self._backfill = backfill
        self._telling = telling
        self._live_since_us: int | None = None
        self._doubted = ""

    async def run(self, stop: asyncio.Event, feed: Feed) -> None:
        """Live through one connection; raises ``StreamClosed`` when it ends."""
        await self._booking.wait_until_open(stop)
        if stop.is_set():
            return
        connection = await self._connector.connect()
        try:
            async with Inbox(connection, self._settings.most_waiting) as inbox:
                await connection.send(subscribe(SUBSCRIBE_ID, CHANNELS))
                await self._until_subscribed(inbox, stop)
                await self._backfill.sweep()
                feed.healthy()
                self._live_since_us = self._context.clock.now_us()
                await self._follow(connection, inbox, stop)
                await self._telling.told()
        finally:
            self._live_since_us = None

    async def resweep(self) -> None:
        """Sweep beside the socket; fills of its life time that it has not told make it doubtful."""
        if not await self._booking.is_open():
            return
        live_since_us = self._live_since_us
        news = await self._backfill.sweep()
        if live_since_us is None or live_since_us != self._live_since_us:
            return
        latest_us = self._context.clock.now_us() - int(self._settings.missed_after_s * 1e6)
        missed = [created_us for created_us in news if live_since_us < created_us < latest_us]
        if missed:
            self._doubted = f"the socket has not told of {len(missed)} fills"

    async def _until_subscribed(self, inbox: Inbox, stop: asyncio.Event) -> None:
        missing = set(CHANNELS)
        until_us = self._context.clock.monotonic_us() + int(self._settings.subscribed_within_s * 1e6)
        while missing and not stop.is_set():
            text = await inbox.next(POLL_S)
            event = await self._take(text) if text is not None else None
            if isinstance(event, Subscribed):
                missing.discard(event.channel)
            if missing and self._context.clock.monotonic_us() > until_us:
                raise StreamClosed(f"not subscribed in time: {', '.join(sorted(missing))}")

    async def _follow(self, connection: Connection, inbox: Inbox, stop: asyncio.Event) -> None:
        heard_us = self._context.clock.monotonic_us()
        asked = False
        self._doubted = ""
        poll_s = min(POLL_S, self._settings.quiet_s / 2)
        while not stop.is_set():
            text = await inbox.next(poll_s)
            now_us = self._context.clock.monotonic_us()
            if text is not None:
                heard_us, asked = now_us, False
                await self._take(text)
            elif now_us - heard_us > self._settings.silence_s * 1e6:
                raise StreamClosed(f"silent for {self._settings.silence_s} s")
            elif not asked and now_us - heard_us > self._settings.quiet_s * 1e6:
                asked = True
                await connection.send(SIGN_OF_LIFE)
            if self._doubted:
                raise StreamClosed(self._doubted)

    async def _take(self, text: str) -> StreamEvent | None:
        """Handle one frame; one that can't be read is put aside whole and followed by a sweep soon enough."""
        try:
            event = decode_frame(text, self._context.clock.monotonic_us())
        except FrameError as error:
            await publish_dead_letter(
                self._context, origin="private socket", key=self._context.account, payload=text,
                reason=Reason.UNDECODABLE, detail=str(error),
            )  # fmt: skip
            return None
        match event:
            case FillFrame(fill=fill):
                await self._booking.fill(fill)
            case OrderFrame(order=order):
                await self._booking.order(order)
            case LifecycleFrame(event_type="settled"):
                await self._settled(event)
            case StreamError(command_id=command, code=code, message=message):
                if command == SUBSCRIBE_ID or code in ENDS_SUBSCRIPTION:
                    raise StreamClosed(f"the exchange ended a subscription: {code} {message}")
            case _:
                pass
        return event

    async def _settled(self, event: LifecycleFrame) -> None:
        """Settle a market that the ledger knows; the others are none of the account's."""
        market = (await self._ledger.view((event.ticker,))).market(event.ticker)
        if market is None or market.settlement_cc is not None:
            return
        if event.settlement_cc is None:
            await self._backfill.settle_by_market(event.ticker)
        else:
            await self._booking.settlement(event.ticker, event.settlement_cc, None)
