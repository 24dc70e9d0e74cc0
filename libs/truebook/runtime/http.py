"""Serves an ASGI application with uvicorn inside the running event loop, on loopback by default."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

GRACE_S: Final = 1


class PortInUse(Exception):
    """Another process listens on the port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"port {port} on {host} is in use: choose another one, or 0 for any free one")
        self.port = port


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers (the process has its own), with an event that is set once it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class HttpServer:
    """A server whose port is bound when it is made, so that an application can be built before it is served."""

    def __init__(self, port: int = 0, *, host: str = "127.0.0.1") -> None:
        """Bind the port; raises ``PortInUse``."""
        self._listener = bind(host, port)
        self.host, self.port = self._listener.getsockname()[:2]
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, app: ASGIApp, **options: Any) -> None:
        """Serve ``app`` and return once the port accepts connections; ``options`` are those of ``uvicorn.Config``."""
        common = {"lifespan": "off", "log_config": None, "access_log": False, "timeout_graceful_shutdown": GRACE_S}
        self._server = _Server(uvicorn.Config(app, **(common | options)))
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]), name=f"http:{self.port}")
        listening = asyncio.create_task(self._server.listening.wait())
        try:
            await asyncio.wait((self._task, listening), return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
        if self._task.done():
            self._task.result()
            raise RuntimeError("the HTTP server exited before it listened")

    def stop(self) -> None:
        """Let the server end: open requests have ``GRACE_S`` to finish."""
        if self._server is not None:
            self._server.should_exit = True

    async def wait(self) -> None:
        """Return when the server has ended; raises its failure."""
        if self._task is not None:
            await self._task

    async def aclose(self) -> None:
        """Stop, wait for the end, and release the port."""
        self.stop()
        if self._task is not None:
            await asyncio.wait((self._task,))
        self._listener.close()


@contextlib.asynccontextmanager
async def serve_http(app: ASGIApp, port: int = 0, *, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve ``app`` inside the context; yields the port. Raises ``PortInUse``."""
    server = HttpServer(port, host=host)
    try:
        await server.start(app, ws="none")
        yield server.port
    finally:
        await server.aclose()


def bind(host: str, port: int) -> socket.socket:
    """Bind a TCP socket that does not listen yet; raises ``PortInUse``."""
    # The protocol is named so that asyncio recognizes accepted sockets as TCP and sets TCP_NODELAY: otherwise the
    # second part of a response may wait 40 ms for the acknowledgement of the first.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise PortInUse(host, port) from error
        raise
    return listener
