"""Clients of an exchange in the same process, without sockets: HTTP as calls of its ASGI app, streams as queues.

The exchange handles a request in a task of its own, which continues after the caller's timeout.
"""

from __future__ import annotations

import asyncio
from typing import Final

import httpx

from truebook.kalshi.port import Connection, Connector, StreamClosed
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.stream.session import StreamSession

HOST: Final = "http://127.0.0.1:1"
"""The address in requests; it is not used to connect."""


class DirectTransport(httpx.ASGITransport):
    """Sends httpx requests to the exchange's ASGI application on the same loop."""

    def __init__(self, exchange: PaperExchange) -> None:
        super().__init__(exchange.app)
        self._handlers: set[asyncio.Task[httpx.Response]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        handler = asyncio.get_running_loop().create_task(super().handle_async_request(request), name="exchange:request")
        self._handlers.add(handler)
        handler.add_done_callback(self._handled)
        try:
            return await asyncio.shield(handler)
        except ConnectionAbortedError as error:
            raise httpx.ReadError(str(error), request=request) from error

    def _handled(self, handler: asyncio.Task[httpx.Response]) -> None:
        self._handlers.discard(handler)
        if not handler.cancelled():
            handler.exception()  # retrieved: asyncio logs it otherwise, although the caller has timed out


class DirectConnector(Connector):
    """Opens streams of the exchange for its account, without a signature."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._exchange = exchange

    async def connect(self) -> Connection:
        return DirectConnection(self._exchange)


class DirectConnection(Connection):
    """One stream session."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._readable = asyncio.Event()
        self._session: StreamSession | None = exchange.hub.open_session(exchange.settings.account, self._readable.set)

    async def send(self, text: str) -> None:
        self._open_session().receive(text)

    async def receive(self) -> str:
        while (frame := self._open_session().take()) is None:
            self._readable.clear()
            await self._readable.wait()
        return frame.decode()

    async def close(self) -> None:
        if self._session is not None:
            self._session.ended()
            self._session = None
            self._readable.set()

    def _open_session(self) -> StreamSession:
        if self._session is None:
            raise StreamClosed("the stream is closed")
        return self._session
