"""The sockets below the exchange: HTTP connections that can be broken on purpose, and the WebSocket protocol.

The WebSocket side is ``websockets``' protocol without I/O on an asyncio transport: the exchange pings with the payload
``heartbeat``, resets connections for faults, and needs to know when a reader is slow; an ASGI server offers none of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

from uvicorn.protocols.http.h11_impl import H11Protocol
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


class Session(Protocol):
    """What stands behind one WebSocket."""

    def receive(self, text: str | bytes) -> None: ...
    def take(self) -> bytes | None:
        """Give the next frame to send, or none."""
        ...

    def ended(self) -> None: ...


class Doorman(Protocol):
    """Decides who may connect."""

    heartbeat_s: float

    def admit(self, request: Request, wake: Callable[[], None]) -> Session | tuple[int, bytes]:
        """Answer a session, or the status and JSON body of the refusal."""
        ...


class Connections:
    """All open connections by peer, so that one, or every WebSocket, can be reset."""

    def __init__(self) -> None:
        self._transports: dict[Peer, asyncio.Transport] = {}
        self._sockets: dict[KalshiSocket, None] = {}

    def opened(self, transport: asyncio.Transport) -> None:
        self._transports[transport.get_extra_info("peername")[:2]] = transport

    def closed(self, transport: asyncio.Transport) -> None:
        self._transports.pop(transport.get_extra_info("peername")[:2], None)

    def upgraded(self, socket: KalshiSocket) -> None:
        self._sockets[socket] = None

    def ended(self, socket: KalshiSocket) -> None:
        self._sockets.pop(socket, None)

    def abort(self, peer: Peer | None) -> None:
        """Reset the peer's connection; raises ``ConnectionAbortedError`` where the request came without a socket."""
        transport = None if peer is None else self._transports.get((peer[0], peer[1]))
        if transport is None:
            raise ConnectionAbortedError("the answer is withheld")
        transport.abort()

    def abort_sockets(self) -> None:
        """Reset every WebSocket, without a closing handshake."""
        for socket in list(self._sockets):
            socket.abort()


def http_protocol(connections: Connections) -> type[H11Protocol]:
    """Make uvicorn's HTTP protocol with its connections registered."""

    class TrackedHttp(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            connections.opened(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.closed(self.transport)
            super().connection_lost(exc)

    return TrackedHttp


def socket_protocol(connections: Connections, doorman: Doorman) -> type[KalshiSocket]:
    """Make the WebSocket protocol class that uvicorn hands upgrades to."""

    class BoundSocket(KalshiSocket):
        def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
            super().__init__(connections, doorman, server_state.connections)

    return BoundSocket


class KalshiSocket(asyncio.Protocol):
    """One WebSocket connection, from the upgrade to its end."""

    def __init__(self, connections: Connections, doorman: Doorman, open_connections: set[Any]) -> None:
        self._connections = connections
        self._doorman = doorman
        self._open = open_connections
        self._session: Session | None = None
        self._writable = True
        self._parts: list[bytes] = []
        self._heartbeat: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._wire = ServerProtocol(extensions=[ServerPerMessageDeflateFactory()], max_size=MESSAGE_LIMIT)

    # What asyncio tells.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._open.add(self)
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
        self._open.discard(self)
        self._connections.closed(self._transport)
        self._connections.ended(self)
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        if self._session is not None:
            self._session.ended()
            self._session = None

    # What the server asks for.

    def shutdown(self) -> None:
        """Close with a handshake: the server ends."""
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
            admitted = self._doorman.admit(request, self._drain)
            if isinstance(admitted, tuple):
                status, body = admitted
                response = self._wire.reject(status, body.decode())
                response.headers["Content-Type"] = "application/json"
            else:
                self._session = admitted
        self._wire.send_response(response)
        self._flush()
        if self._session is None:
            self._transport.close()
        else:
            self._beat()

    def _take_frame(self, frame: Frame) -> None:
        """Gather a message, whole or in fragments; text and binary are read alike, as the exchange does."""
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        self._parts.append(bytes(frame.data))
        if frame.fin and self._session is not None:
            message = b"".join(self._parts)
            self._parts.clear()
            self._session.receive(message)

    def _drain(self) -> None:
        """Send what waits, as long as the peer takes it, in gulps of a few frames."""
        if self._session is None or self._transport.is_closing():
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
            return  # the closing handshake has begun: nothing may be sent any more

    def _flush(self) -> None:
        if self._transport.is_closing():
            return
        for data in self._wire.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        self._heartbeat = loop.call_later(self._doorman.heartbeat_s, self._beat_again)

    def _beat_again(self) -> None:
        if self._session is None or self._transport.is_closing():
            return
        self._wire.send_ping(HEARTBEAT)
        self._flush()
        self._beat()
