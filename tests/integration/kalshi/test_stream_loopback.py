"""The WebSocket over real sockets: every end of a connection is an error, raised in time."""

from __future__ import annotations

import asyncio
import http
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import connect as open_socket
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from support.loopback import refused_port, reset_transport, silent_listener, verify_ed25519
from truebook.clock import SystemClock
from truebook.kalshi.hosts import HostRefused
from truebook.kalshi.port import Connection, StreamClosed, StreamRefused
from truebook.kalshi.signing import Ed25519Signer, StubSigner
from truebook.kalshi.stream import commands
from truebook.kalshi.stream.connection import CLOSE_WITHIN_S, WebsocketConnection, WebsocketConnector

PATH = "/trade-api/ws/v2"
Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def server(handler: Handler, **options: Any) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0, **options) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}{PATH}"


async def connect(url: str, **options: Any) -> Connection:
    return await WebsocketConnector(url, StubSigner(), SystemClock(), **options).connect()


async def nothing(socket: ServerConnection) -> None:
    await socket.wait_closed()


async def test_the_upgrade_is_signed_and_text_goes_both_ways() -> None:
    key = Ed25519PrivateKey.generate()

    async def echo(socket: ServerConnection) -> None:
        assert socket.request is not None
        verify_ed25519(key.public_key(), socket.request.headers, "GET", socket.request.path)
        async for text in socket:
            await socket.send(text)

    async with server(echo) as url:
        connection = await WebsocketConnector(url, Ed25519Signer("k", key), SystemClock()).connect()
        await connection.send(commands.subscribe(1, ["trade"], ["A"]))
        assert await connection.receive() == commands.subscribe(1, ["trade"], ["A"])
        await connection.close()


async def test_binary_frames_and_messages_beyond_a_megabyte_are_received() -> None:
    large = "x" * 3_000_000

    async def send(socket: ServerConnection) -> None:
        await socket.send(b'{"type":"ok"}')
        await socket.send(b"\xff")
        await socket.send(large)
        await socket.wait_closed()

    async with server(send) as url:
        connection = await connect(url)
        assert await connection.receive() == '{"type":"ok"}'
        assert await connection.receive() == "\ufffd"
        assert await connection.receive() == large
        await connection.close()


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_reported_with_its_reason(status: int) -> None:
    def refuse(socket: ServerConnection, request: Request) -> Response:
        return socket.respond(http.HTTPStatus(status), '{"error":{"code":"authentication_error"}}')

    async with server(nothing, process_request=refuse) as url:
        with pytest.raises(StreamRefused, match="authentication_error") as caught:
            await connect(url)
    assert caught.value.status == status


async def test_a_signature_of_another_time_may_be_tried_again() -> None:
    def refuse(socket: ServerConnection, request: Request) -> Response:
        return socket.respond(http.HTTPStatus.UNAUTHORIZED, '{"error":{"code":"header_timestamp_expired"}}')

    async with server(nothing, process_request=refuse) as url:
        with pytest.raises(StreamClosed, match="header_timestamp_expired"):
            await connect(url)


@pytest.mark.parametrize("status", [302, 404, 429, 502, 503])
async def test_every_other_response_to_the_upgrade_is_stream_closed(status: int) -> None:
    requested = []

    def refuse(socket: ServerConnection, request: Request) -> Response:
        requested.append(request.path)
        response = socket.respond(http.HTTPStatus(status), "no")
        response.headers["Location"] = f"ws://127.0.0.1:{refused_port()}/elsewhere"
        return response

    async with server(nothing, process_request=refuse) as url:
        with pytest.raises(StreamClosed, match=f"HTTP {status}"):
            await connect(url)
    assert requested == [PATH]


async def test_a_port_without_a_listener_is_stream_closed() -> None:
    with pytest.raises(StreamClosed):
        await connect(f"ws://127.0.0.1:{refused_port()}{PATH}")


async def test_an_upgrade_without_a_response_is_stream_closed() -> None:
    with silent_listener() as listener:
        port = listener.getsockname()[1]
        with pytest.raises(StreamClosed, match="timed out"):
            await connect(f"ws://127.0.0.1:{port}{PATH}", open_timeout_s=0.2)


async def test_a_server_that_is_no_websocket_is_stream_closed() -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"SSH-2.0-nonsense\r\n\r\n")
        await writer.drain()
        writer.close()

    running = await asyncio.start_server(other, "127.0.0.1", 0)
    port = running.sockets[0].getsockname()[1]
    try:
        with pytest.raises(StreamClosed):
            await connect(f"ws://127.0.0.1:{port}{PATH}")
    finally:
        running.close()


async def close_politely(socket: ServerConnection) -> None:
    await socket.close(1012, "restart")


async def end_without_handshake(socket: ServerConnection) -> None:
    socket.transport.close()


async def end_by_reset(socket: ServerConnection) -> None:
    reset_transport(socket.transport)


@pytest.mark.parametrize("end", [close_politely, end_without_handshake, end_by_reset])
async def test_every_end_of_a_connection_is_stream_closed_both_ways(end: Handler) -> None:
    async with server(end) as url:
        connection = await connect(url)
        with pytest.raises(StreamClosed):
            await connection.receive()
        with pytest.raises(StreamClosed):
            await connection.send("{}")
        await connection.close()


class Deaf:
    """A server that reads nothing after the upgrade: it responds to neither a ping nor a close."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    async def __call__(self, socket: ServerConnection) -> None:
        socket.transport.pause_reading()  # type: ignore[attr-defined]
        await self.released.wait()
        socket.transport.abort()


async def test_silence_beyond_the_limit_is_stream_closed() -> None:
    deaf = Deaf()
    async with server(deaf, ping_interval=None) as url:
        connection = await connect(url, ping_interval_s=0.1, ping_timeout_s=0.2)
        started = time.monotonic()
        with pytest.raises(StreamClosed):
            await connection.receive()
        assert time.monotonic() - started < 3
        await connection.close()
        deaf.released.set()


async def test_closing_ends_in_time_even_if_the_peer_does_not_read() -> None:
    deaf = Deaf()
    async with server(deaf, ping_interval=None) as url:
        connection = await connect(url)
        started = time.monotonic()
        await connection.close()
        assert time.monotonic() - started < CLOSE_WITHIN_S + 0.5
        deaf.released.set()


async def test_a_frame_that_is_too_large_is_stream_closed() -> None:
    async def send(socket: ServerConnection) -> None:
        await socket.send("x" * 2_000)
        await socket.wait_closed()

    async with server(send) as url:
        connection = await connect(url, max_frame_bytes=1_000)
        with pytest.raises(StreamClosed):
            await connection.receive()
        await connection.close()


async def test_a_production_connection_sends_no_command_for_a_private_channel() -> None:
    received: asyncio.Queue[Any] = asyncio.Queue()

    async def keep(socket: ServerConnection) -> None:
        async for text in socket:
            received.put_nowait(text)

    async with server(keep) as url:
        connection = WebsocketConnection(await open_socket(url, proxy=None), market_data_only=True)
        with pytest.raises(HostRefused):
            await connection.send(commands.subscribe(1, ["fill"]))
        await connection.send(commands.subscribe(2, ["trade"]))
        assert await received.get() == commands.subscribe(2, ["trade"])
        await connection.close()
