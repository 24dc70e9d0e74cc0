"""Records the market data of a set of markets, frame by frame and unchanged. Sends subscriptions only.

After a sequence gap, a restart of the numbers or an ended subscription it reconnects for fresh snapshots, so that a
reader of the recording can determine when each book is valid.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count
from typing import Final, Protocol

from truebook.book.sequence import Sequence
from truebook.kalshi.port import Connection, Connector, FrameError, RestClient, StreamClosed, StreamError
from truebook.kalshi.stream.commands import BOOK_CHANNEL, USE_YES_PRICE, subscribe
from truebook.kalshi.stream.error_codes import ENDS_SUBSCRIPTION
from truebook.kalshi.stream.frames import decode_frame
from truebook.messages.market_metadata import MarketMetadata
from truebook.runtime.context import Context
from truebook.runtime.frames import Feed
from truebook_services.recorder.settings import RecorderSettings

CHANNELS: Final = (BOOK_CHANNEL, "trade")
LIFECYCLE: Final = "market_lifecycle_v2"
MAX_TICKERS_PER_COMMAND: Final = 500
CLOSE_TIMEOUT_S: Final = 1.0
RECORDS_YES_PRICE: Final = USE_YES_PRICE
"""How NO levels are recorded: as requested by the subscribe commands."""


class RecordWriter(Protocol):
    """Where markets and frames go: the files of a recording, or an exchange that mirrors another one."""

    def add_markets(self, markets: Iterable[MarketMetadata]) -> None: ...
    def add_frame(self, at_us: int, connection: int, text: str) -> None: ...


class Recording:
    """The recorded markets, the connection, and counts of what was written."""

    def __init__(
        self, context: Context, settings: RecorderSettings, rest: RestClient, connector: Connector,
        writer: RecordWriter,
    ) -> None:  # fmt: skip
        self.frames = 0
        self.characters = 0
        self.reconnections = 0
        self.followed: dict[str, None] = {}
        self._context = context
        self._settings = settings
        self._rest = rest
        self._connector = connector
        self._writer = writer
        self._connection: Connection | None = None
        self._subscribed = 0
        self._ids = count(1)
        self._connections = count()
        self._last_us = 0

    async def refresh(self) -> None:
        """Read the open markets and subscribe to those that are new and match the settings."""
        settings = self._settings
        found = set(settings.tickers)
        for series in () if settings.tickers else settings.series or (None,):
            found |= {market.ticker for market in await self._rest.open_markets(series=series)}
        free = max(0, settings.max_markets - len(self.followed))
        new = sorted(found - self.followed.keys())
        if new and free:
            listed = await self._rest.markets(status="open", tickers=new[:free] if not settings.tickers else new)
            matching = [one for one in listed if not settings.series or one.series in settings.series]
            matching.sort(key=lambda one: one.ticker)
            self._writer.add_markets(matching[:free])
            self.followed.update(dict.fromkeys(one.ticker for one in matching[:free]))
        await self._subscribe()

    async def session(self, stop: asyncio.Event, feed: Feed) -> None:
        """Record one connection until it ends or ``stop`` is set; raises ``StreamClosed`` or ``StreamRefused``."""
        connection = await self._connector.connect()
        number = next(self._connections)
        self.reconnections = number
        self._connection, self._subscribed = connection, 0
        reader = asyncio.ensure_future(self._read(connection, number, feed))
        stopper = asyncio.ensure_future(stop.wait())
        try:
            await connection.send(subscribe(next(self._ids), (LIFECYCLE,)))
            await self._subscribe()
            await asyncio.wait((reader, stopper), return_when=asyncio.FIRST_COMPLETED)
            if reader.done():
                reader.result()
        finally:
            self._connection = None
            for task in (reader, stopper):
                task.cancel()
            await asyncio.gather(reader, stopper, return_exceptions=True)
            with suppress(TimeoutError, StreamClosed):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await connection.close()

    async def _subscribe(self) -> None:
        """Subscribe to the markets that this connection does not include yet; subscriptions accumulate."""
        connection = self._connection
        if connection is None:
            return
        new = tuple(self.followed)[self._subscribed :]
        self._subscribed += len(new)
        for part in _parts(new):
            await connection.send(subscribe(next(self._ids), CHANNELS, part))

    async def _read(self, connection: Connection, number: int, feed: Feed) -> None:
        sequences: dict[int, Sequence] = {}
        while True:
            text = await connection.receive()
            self._last_us = max(self._last_us, self._context.clock.now_us())
            self._writer.add_frame(self._last_us, number, text)
            self.frames += 1
            self.characters += len(text)
            feed.mark_healthy()
            self._check(text, sequences)

    def _check(self, text: str, sequences: dict[int, Sequence]) -> None:
        """Raise ``StreamClosed`` after a gap or restart of a sequence, or the end of a subscription."""
        sid, seq = None, None
        try:
            event = decode_frame(text, 0)
        except FrameError as error:
            sid, seq = error.sid, error.seq
        else:
            if isinstance(event, StreamError):
                self._context.log.warning("subscribe command rejected", code=event.code, detail=event.message)
                if event.code in ENDS_SUBSCRIPTION:
                    raise StreamClosed(f"error {event.code}: {event.message}")
            if event is not None:
                sid, seq = event.sid, event.seq
        if sid is None or seq is None:
            return
        verdict = sequences.setdefault(sid, Sequence()).take(seq, text)
        if verdict in ("gap", "restart"):
            raise StreamClosed(f"sequence {verdict}: reconnecting for fresh snapshots")


def _parts(tickers: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(tickers), MAX_TICKERS_PER_COMMAND):
        yield tickers[start : start + MAX_TICKERS_PER_COMMAND]
