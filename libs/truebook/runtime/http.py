"""Serving a small HTTP application inside a running event loop, on loopback unless told otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

GRACE_S: Final = 1


class PortInUse(Exception):
    """Someone else listens on the port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"port {port} on {host} is in use: choose another one, or 0 for any free one")
        self.port = port


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers (the process has its own), telling when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@contextlib.asynccontextmanager
async def serve_http(app: ASGIApp, port: int = 0, *, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve ``app`` while entered; answers the port. Raises ``PortInUse``."""
    listener = _listen(host, port)
    server = _Server(
        uvicorn.Config(
            app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_S, ws="none"
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]), name=f"http:{port}")
    ready = asyncio.create_task(server.listening.wait())
    try:
        await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            raise RuntimeError("the HTTP server ended before it listened")
        yield int(listener.getsockname()[1])
    finally:
        ready.cancel()
        server.should_exit = True
        await asyncio.wait((task,))
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    # The protocol is named so that asyncio knows accepted sockets as TCP and sends their answers without delay: else
    # the second part of an answer may wait 40 ms for the acknowledgement of the first.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise PortInUse(host, port) from error
        raise
    return listener
