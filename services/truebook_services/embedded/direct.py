"""The ways to an exchange in this very process, without a socket: HTTP as calls of its application, streams as queues.

What a request does at the exchange is a task of the exchange: it goes on when its caller has given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any, Final

import httpx

from truebook.kalshi.port import Connection, Connector, StreamClosed
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.stream import StreamSession

HOST: Final = "http://127.0.0.1:1"
"""The address that requests carry; nobody listens there, and nobody looks."""


class DirectTransport(httpx.AsyncBaseTransport):
    """httpx's way into an ASGI application that runs on the same loop."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._exchange = exchange
        self._handlers: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        answer = _Answer()
        handler = asyncio.get_running_loop().create_task(
            self._exchange.app(_scope(request), _receiver(body), answer.take), name="exchange:request"
        )
        self._handlers.add(handler)
        handler.add_done_callback(self._handled)
        try:
            await asyncio.shield(handler)
        except ConnectionAbortedError as error:
            raise httpx.ReadError(str(error), request=request) from error
        return httpx.Response(answer.status, headers=answer.headers, content=b"".join(answer.body), request=request)

    def _handled(self, handler: asyncio.Task[None]) -> None:
        self._handlers.discard(handler)
        if not handler.cancelled():
            handler.exception()  # an answer that is withheld from a caller who has given up concerns nobody


class _Answer:
    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []

    async def take(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
        else:
            self.body.append(message.get("body", b""))


def _scope(request: httpx.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.partition(b"?")[0],
        "query_string": request.url.query,
        "server": (request.url.host, request.url.port),
        "client": None,
        "root_path": "",
    }


def _receiver(body: bytes) -> Any:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


class DirectConnector(Connector):
    """Opens streams of the exchange for its account: nothing is signed."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._exchange = exchange

    async def connect(self) -> Connection:
        return DirectConnection(self._exchange)


class DirectConnection(Connection):
    """One stream session, read frame by frame."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._told = asyncio.Event()
        self._session: StreamSession | None = exchange.door.open(exchange.settings.account, self._told.set)

    async def send(self, text: str) -> None:
        self._open_session().receive(text)

    async def receive(self) -> str:
        while (frame := self._open_session().take()) is None:
            self._told.clear()
            await self._told.wait()
        return frame.decode()

    async def close(self) -> None:
        if self._session is not None:
            self._session.ended()
            self._session = None
            self._told.set()

    def _open_session(self) -> StreamSession:
        if self._session is None:
            raise StreamClosed("the stream is closed")
        return self._session
