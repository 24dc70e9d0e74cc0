"""Small servers on loopback that behave, or misbehave, as a test specifies.

They are for tests of the clients' transport alone: resets, hangs and half bodies need a real socket, which the
in-memory exchange does not have.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LoopbackExchange:
    """An HTTP server: each request below /trade-api/v2 gets the behaviour set for (method, path)."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.url = ""
        self._behaviours: dict[tuple[str, str], list[Behaviour]] = {}

    def on(self, method: str, path: str, *behaviours: Behaviour) -> None:
        self._behaviours[(method, path)] = list(behaviours)

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        key = (request.method, request.path.removeprefix("/trade-api/v2"))
        self.seen.append(key)
        await request.read()
        behaviours = self._behaviours[key]
        return await (behaviours.pop(0) if len(behaviours) > 1 else behaviours[0])(request)


@asynccontextmanager
async def serving(exchange: LoopbackExchange) -> AsyncIterator[LoopbackExchange]:
    """Run the server on any free port of loopback."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", exchange._respond)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    exchange.url = f"http://127.0.0.1:{runner.addresses[0][1]}/trade-api/v2"
    try:
        yield exchange
    finally:
        await runner.cleanup()


def json_body(body: object, status: int = 200) -> Behaviour:
    async def respond(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return respond


def text_body(body: str, status: int = 200) -> Behaviour:
    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(text=body, status=status, content_type="text/html")

    return respond


async def reset(request: web.Request) -> web.StreamResponse:
    """Read the whole request, then reset the connection without a byte of response."""
    reset_transport(request.transport)
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def disconnect(request: web.Request) -> web.StreamResponse:
    """Read the whole request, then close the connection without a byte of response."""
    assert request.transport is not None
    request.transport.close()
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def hang(request: web.Request) -> web.StreamResponse:
    """Never respond."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def half_a_body(request: web.Request) -> web.StreamResponse:
    """Announce more bytes than are sent, then reset."""
    response = web.StreamResponse(status=201, headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"order_id":')
    reset_transport(request.transport)
    return response


async def trickle(request: web.Request) -> web.StreamResponse:
    """Send a byte now and then: no single read ever times out."""
    response = web.StreamResponse(status=201, headers={"Content-Length": "100000"})
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.02)


def reset_transport(transport: asyncio.BaseTransport | None) -> None:
    """Make the operating system send a reset instead of an orderly end."""
    assert isinstance(transport, asyncio.Transport)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


@contextmanager
def silent_listener(backlog: int = 8) -> Iterator[socket.socket]:
    """A listener whose connections are never accepted: the kernel completes handshakes, no process responds."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(backlog)
        yield listener


def refused_port() -> int:
    """A loopback port without a listener."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def verify_ed25519(key: Ed25519PublicKey, headers: object, method: str, path: str) -> None:
    """Check the three headers of a request as the exchange does; raises ``InvalidSignature``."""
    stamp = headers["KALSHI-ACCESS-TIMESTAMP"]  # type: ignore[index]
    key.verify(base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"]), f"{stamp}{method}{path}".encode())  # type: ignore[index]
