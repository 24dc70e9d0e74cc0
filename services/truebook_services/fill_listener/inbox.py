"""Reads a connection without pause, so that frames which arrive during a backfill wait here instead of being lost."""

from __future__ import annotations

import asyncio
from types import TracebackType

from truebook.kalshi.port import Connection, ExchangeError


class Inbox:
    """A bounded queue before a connection; when it is full, reading stops and the socket pushes back."""

    def __init__(self, connection: Connection, most_waiting: int) -> None:
        self._connection = connection
        self._queue: asyncio.Queue[str | ExchangeError] = asyncio.Queue(most_waiting)
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Inbox:
        self._reading = asyncio.create_task(self._read(), name="private socket")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reading is not None:
            self._reading.cancel()
        await self._connection.close()

    async def next(self, within_s: float) -> str | None:
        """The next frame's text, or null when none came in time; raises what has ended the connection."""
        try:
            async with asyncio.timeout(within_s):
                item = await self._queue.get()
        except TimeoutError:
            return None
        if isinstance(item, ExchangeError):
            raise item
        return item

    async def _read(self) -> None:
        try:
            while True:
                await self._queue.put(await self._connection.receive())
        except ExchangeError as error:
            await self._queue.put(error)
