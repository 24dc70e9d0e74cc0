"""Reads a connection continuously, so that frames received during a backfill are buffered instead of lost."""

from __future__ import annotations

import asyncio
from types import TracebackType

from truebook.kalshi.port import Connection, ExchangeError


class SocketBuffer:
    """A bounded queue before a connection; when it is full, reading stops and the socket pushes back."""

    def __init__(self, connection: Connection, max_frames: int) -> None:
        self._connection = connection
        self._queue: asyncio.Queue[str | ExchangeError] = asyncio.Queue(max_frames)
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> SocketBuffer:
        self._reading = asyncio.create_task(self._read(), name="private socket")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reading is not None:
            self._reading.cancel()
        await self._connection.close()

    async def next(self, timeout_s: float) -> str | None:
        """Return the next frame's text, or None after the timeout; raise what has ended the connection."""
        try:
            async with asyncio.timeout(timeout_s):
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
