"""One recording: which markets it follows, and every frame as it came. It reads what it must, and changes nothing.

A subscription from which a frame is missing is begun anew at once, on a new connection with whole books: whoever reads
the recording knows which books are to be trusted when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from itertools import count, islice
from typing import Final

from truebook.book.sequence import Sequence
from truebook.capture.writer import CaptureWriter
from truebook.kalshi.commands import BOOK_CHANNEL, USE_YES_PRICE, subscribe
from truebook.kalshi.frames import decode_frame
from truebook.kalshi.port import Connection, Connector, FrameError, RestClient, StreamClosed, StreamError
from truebook.runtime.context import Context
from truebook.runtime.frames import Feed
from truebook_services.recorder.settings import RecorderSettings

CHANNELS: Final = (BOOK_CHANNEL, "trade")
LIFECYCLE: Final = "market_lifecycle_v2"
MOST_PER_COMMAND: Final = 500
CLOSE_WITHIN_S: Final = 1.0
TERMINAL_ERRORS: Final = frozenset({10, 25})
"""Channel error and buffer overflow: the exchange has ended the subscription."""
RECORDS_YES_PRICE: Final = USE_YES_PRICE
"""How NO levels are recorded: as the commands of this recording ask for them."""


class Recording:
    """The markets that are followed, the connection, and what has been written."""

    def __init__(
        self, context: Context, settings: RecorderSettings, rest: RestClient, connector: Connector,
        writer: CaptureWriter,
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
        self._asked = 0
        self._ids = count(1)
        self._connections = count()
        self._last_us = 0

    async def refresh(self) -> None:
        """Read the open markets with their facts, and follow those that are new and wanted."""
        settings = self._settings
        listed = await self._rest.markets(status="open", tickers=settings.tickers)
        wanted = [one for one in listed if not settings.series or one.series in settings.series]
        wanted.sort(key=lambda one: one.ticker)
        known = [one for one in wanted if one.ticker in self.followed]
        room = max(0, settings.most_markets - len(self.followed))
        new = list(islice((one for one in wanted if one.ticker not in self.followed), room))
        self._writer.add_markets([*known, *new])
        self.followed.update(dict.fromkeys(one.ticker for one in new))
        await self._subscribe()

    async def session(self, stop: asyncio.Event, feed: Feed) -> None:
        """Record one connection until it ends or ``stop`` is set; raises ``StreamClosed`` or ``StreamRefused``."""
        connection = await self._connector.connect()
        number = next(self._connections)
        self.reconnections = number
        self._connection, self._asked = connection, 0
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
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    await connection.close()

    async def _subscribe(self) -> None:
        """Ask for the markets that this connection has not been asked for yet; repeated subscriptions add up."""
        connection = self._connection
        if connection is None:
            return
        new = tuple(self.followed)[self._asked :]
        self._asked += len(new)
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
            feed.healthy()
            self._judge(text, sequences)

    def _judge(self, text: str, sequences: dict[int, Sequence]) -> None:
        """Raise ``StreamClosed`` where a subscription can't be trusted any more."""
        sid, seq = None, None
        try:
            event = decode_frame(text, 0)
        except FrameError as error:
            sid, seq = error.sid, error.seq
        else:
            if isinstance(event, StreamError):
                self._context.log.warning("the exchange refused a command", code=event.code, detail=event.message)
                if event.code in TERMINAL_ERRORS:
                    raise StreamClosed(f"error {event.code}: {event.message}")
            if event is not None:
                sid, seq = event.sid, event.seq
        if sid is None or seq is None:
            return
        if sequences.setdefault(sid, Sequence()).take(seq) == "gap":
            raise StreamClosed("frames are missing: beginning anew with whole books")


def _parts(tickers: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(tickers), MOST_PER_COMMAND):
        yield tickers[start : start + MOST_PER_COMMAND]
