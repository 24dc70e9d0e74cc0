"""The exchange's connections: HTTP connections that a fault can reset, and the WebSocket protocol.

The WebSocket side is ``websockets``' sans-I/O protocol on an asyncio transport: the exchange pings with the payload
``heartbeat``, resets connections for faults, and has to notice a slow reader; an ASGI server offers none of these.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets.exceptions import InvalidState
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

Peer = tuple[str, int]
MESSAGE_LIMIT: Final = 64 * 2**20
HEARTBEAT: Final = b"heartbeat"
GOING_AWAY: Final = 1001
FRAMES_PER_WRITE: Final = 50


class FrameSession(Protocol):
    """The receiver and source of one WebSocket's frames."""

    def receive(self, text: str | bytes) -> None: ...
    def take(self) -> bytes | None:
        """Return the next frame to send, or None."""
        ...

    def ended(self) -> None: ...


OpenSession = Callable[[Request, Callable[[], None]], FrameSession | tuple[int, bytes]]
"""Opens a session for an upgrade request; returns the HTTP status and JSON body of a rejection instead. The second
argument is to be called when the session has frames to send."""


class Connections:
    """All open connections by peer, so that faults can reset one, or every WebSocket."""

    def __init__(self) -> None:
        self._transports: dict[Peer, asyncio.Transport] = {}
        self._sockets: dict[KalshiSocket, None] = {}
        self.is_mute: Callable[[], bool] = lambda: False
        """Whether a fault keeps WebSockets from sending."""

    @property
    def open_sockets(self) -> int:
        return len(self._sockets)

    def opened(self, transport: asyncio.Transport) -> None:
        self._transports[transport.get_extra_info("peername")[:2]] = transport

    def closed(self, transport: asyncio.Transport) -> None:
        self._transports.pop(transport.get_extra_info("peername")[:2], None)

    def upgraded(self, socket: KalshiSocket) -> None:
        self._sockets[socket] = None

    def ended(self, socket: KalshiSocket) -> None:
        self._sockets.pop(socket, None)

    def abort(self, peer: Peer | None) -> None:
        """Reset the peer's connection; raises ``ConnectionAbortedError`` for a request without a socket."""
        transport = None if peer is None else self._transports.get((peer[0], peer[1]))
        if transport is None:
            raise ConnectionAbortedError("response withheld by a fault")
        transport.abort()

    def abort_sockets(self) -> None:
        """Reset every WebSocket, without a closing handshake."""
        for socket in list(self._sockets):
            socket.abort()


def http_protocol(connections: Connections) -> type[HttpToolsProtocol]:
    """Return uvicorn's HTTP protocol class, extended to register its connections."""

    class TrackedHttp(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            connections.opened(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.closed(self.transport)
            super().connection_lost(exc)

    return TrackedHttp


def socket_protocol(connections: Connections, open_session: OpenSession, heartbeat_s: float) -> type[KalshiSocket]:
    """Return the WebSocket protocol class to which uvicorn hands upgrades."""

    class BoundSocket(KalshiSocket):
        def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
            super().__init__(connections, open_session, heartbeat_s, server_state.connections)

    return BoundSocket


class KalshiSocket(asyncio.Protocol):
    """One WebSocket connection, from the upgrade to its end."""

    def __init__(
        self, connections: Connections, open_session: OpenSession, heartbeat_s: float, open_connections: set[Any]
    ) -> None:
        self._connections = connections
        self._open_session = open_session
        self._heartbeat_s = heartbeat_s
        self._open_connections = open_connections
        self._session: FrameSession | None = None
        self._writable = True
        self._parts: list[bytes] = []
        self._heartbeat: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._wire = ServerProtocol(extensions=[ServerPerMessageDeflateFactory()], max_size=MESSAGE_LIMIT)

    # Callbacks of asyncio.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._open_connections.add(self)
        self._connections.upgraded(self)

    def data_received(self, data: bytes) -> None:
        self._wire.receive_data(data)
        self._handle_events()

    def eof_received(self) -> None:
        self._wire.receive_eof()
        self._handle_events()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._drain()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_connections.discard(self)
        self._connections.closed(self._transport)
        self._connections.ended(self)
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        if self._session is not None:
            self._session.ended()
            self._session = None

    # Callbacks of uvicorn.

    def shutdown(self) -> None:
        """Close with a handshake: the server is stopping."""
        if self._session is None:
            self._transport.close()
            return
        self._wire.send_close(GOING_AWAY)
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Reset the connection."""
        self._transport.abort()

    # Between the wire and the session.

    def _handle_events(self) -> None:
        for event in self._wire.events_received():
            if isinstance(event, Request):
                self._upgrade(event)
            elif isinstance(event, Frame):
                self._take_frame(event)
        self._flush()
        self._drain()
        if self._wire.close_expected():
            self._transport.close()

    def _upgrade(self, request: Request) -> None:
        response = self._wire.accept(request)
        if self._wire.handshake_exc is None:
            opened = self._open_session(request, self._drain)
            if isinstance(opened, tuple):
                status, body = opened
                response = self._wire.reject(status, body.decode())
                response.headers["Content-Type"] = "application/json"
            else:
                self._session = opened
        self._wire.send_response(response)
        self._flush()
        if self._session is None:
            self._transport.close()
        else:
            self._schedule_heartbeat()

    def _take_frame(self, frame: Frame) -> None:
        """Assemble a message from its fragments; text and binary are read alike, as the exchange does."""
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        self._parts.append(bytes(frame.data))
        if frame.fin and self._session is not None:
            message = b"".join(self._parts)
            self._parts.clear()
            self._session.receive(message)

    def _drain(self) -> None:
        """Send queued frames while the transport is writable, ``FRAMES_PER_WRITE`` at a time."""
        if self._session is None or self._transport.is_closing() or self._connections.is_mute():
            return
        try:
            while self._writable and (frame := self._session.take()) is not None:
                self._wire.send_text(frame)
                for _ in range(FRAMES_PER_WRITE):
                    if (frame := self._session.take()) is None:
                        break
                    self._wire.send_text(frame)
                self._flush()
        except InvalidState:
            return  # the closing handshake has begun

    def _flush(self) -> None:
        if self._transport.is_closing():
            return
        for data in self._wire.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()

    def _schedule_heartbeat(self) -> None:
        loop = asyncio.get_running_loop()
        self._heartbeat = loop.call_later(self._heartbeat_s, self._send_heartbeat)

    def _send_heartbeat(self) -> None:
        if self._session is None or self._transport.is_closing():
            return
        if not self._connections.is_mute():
            self._wire.send_ping(HEARTBEAT)
            self._flush()
        self._schedule_heartbeat()
