"""A small HTTP proxy on loopback: it tunnels every CONNECT to one server, whatever host is requested."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ConnectProxy:
    """Records what was requested; ``refuses`` responds 403 to each CONNECT."""

    def __init__(self, port: int, *, refuses: bool = False) -> None:
        self.targets: list[str] = []
        self.credentials: list[str | None] = []
        self.address = ""
        self._port = port
        self._refuses = refuses
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        self.targets.append(f"{method} {target}")
        self.credentials.append(headers.get("Proxy-Authorization"))
        if self._refuses:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        for source, sink in ((reader, server_writer), (server_reader, writer)):
            task = asyncio.create_task(_copy(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while content := await reader.read(65_536):
            writer.write(content)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxy_to(port: int, *, refuses: bool = False) -> AsyncIterator[ConnectProxy]:
    """Run a proxy whose tunnels all end at this port of loopback."""
    proxy = ConnectProxy(port, refuses=refuses)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
