"""A WebSocket connection without a socket, onto a stream session of the simulated exchange."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from truebook.kalshi.port import Connection, StreamClosed
from truebook_services.paper_exchange.stream.hub import StreamHub


class InMemoryConnection(Connection):
    """Both ends of one connection: frames arrive in order and at once.

    It passes the contract suite in ``exchange_contract``. Subclasses add faults by overriding ``_forward`` (a command
    on its way to the exchange) and ``_flush`` (frames on their way to the client).
    """

    def __init__(self, hub: StreamHub, account: str) -> None:
        self.is_open = True
        self._arrived: deque[str] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._session = hub.open_session(account, self._flush)

    # The client's side.

    async def send(self, text: str) -> None:
        if not self.is_open:
            raise StreamClosed("connection closed")
        self._forward(text)

    async def receive(self) -> str:
        while not self._arrived:
            if not self.is_open:
                raise StreamClosed("reset without a closing handshake")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._arrived.popleft()

    async def close(self) -> None:
        self.drop()

    # The exchange's side.

    def drop(self) -> None:
        """Close without a closing handshake."""
        if self.is_open:
            self.is_open = False
            self._session.ended()
            self._wake()

    def deliver(self, *frames: str) -> None:
        """Let the client receive frames."""
        if self.is_open:
            self._arrived.extend(frames)
            self._wake()

    def _forward(self, text: str) -> None:
        self._session.receive(text)

    def _flush(self) -> None:
        self.deliver(*self._taken())

    def _taken(self) -> Sequence[str]:
        """Take all frames out of the session's outbox."""
        frames: list[str] = []
        while (frame := self._session.take()) is not None:
            frames.append(frame.decode())
        return frames

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
