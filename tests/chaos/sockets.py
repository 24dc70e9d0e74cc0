"""WebSockets without sockets: connections in memory onto the exchange's own stream sessions, with latency and faults.

What the exchange sends arrives in its order, as over TCP; only frames of the private channels, which carry no number,
may come twice, late or never while such a fault is in force.
"""

from __future__ import annotations

import asyncio
from collections import deque
from random import Random

from chaos.exchange import ACCOUNT, Exchange
from chaos.faults import Kind
from chaos.history import History
from chaos.processes import Process, never, outside
from chaos.weather import USUAL_S, Weather
from truebook.kalshi.port import Connection, Connector, StreamClosed
from truebook_services.paper_exchange.stream import StreamSession

PRIVATE = ('{"type":"fill"', '{"type":"user_order"')
LATE_S = 3.0
TICK_S = 1e-6
"""Between two things on one connection: equal timers may fire in any order."""


class Network:
    """All connections with the exchange."""

    def __init__(self, seed: int, exchange: Exchange, weather: Weather, history: History) -> None:
        self.exchange = exchange
        self.weather = weather
        self.history = history
        self.random = Random(f"{seed}:sockets")
        self.open: list[MemoryConnection] = []

    def drop(self) -> int:
        """Break every connection; answers how many."""
        return len([connection.drop() for connection in list(self.open)])

    def mute(self) -> int:
        """Let every connection that is open now go deaf and dumb without an end; answers how many."""
        for connection in self.open:
            connection.is_mute = True
        return len(self.open)

    def died(self, process: Process) -> None:
        for connection in [one for one in self.open if one.process is process]:
            connection.drop()


class MemoryConnector(Connector):
    """One process's way to connections."""

    def __init__(self, network: Network, process: Process) -> None:
        self._network = network
        self._process = process

    async def connect(self) -> Connection:
        if self._process.at_port():
            await never()
        await asyncio.sleep(self._network.random.uniform(*USUAL_S))
        if self._network.weather.rages(Kind.NO_UPGRADE):
            raise StreamClosed("the upgrade was answered with HTTP 502")
        return MemoryConnection(self._network, self._process)


class MemoryConnection(Connection):
    """Both ends of one connection."""

    def __init__(self, network: Network, process: Process) -> None:
        self.process = process
        self.is_mute = False
        self._network = network
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[str] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._is_open = True
        self._there_s = self._back_s = 0.0
        self._session: StreamSession = network.exchange.paper.door.open(ACCOUNT, self._flush)
        network.open.append(self)

    # The client's end.

    async def send(self, text: str) -> None:
        if self.process.at_port():
            await never()
        if not self._is_open:
            raise StreamClosed("the connection is gone")
        self._there_s = max(self._there_s + TICK_S, self._loop.time() + self._network.random.uniform(*USUAL_S))
        outside(self._loop.call_at, self._there_s, self._take, text)

    async def receive(self) -> str:
        if self.process.at_port():
            await never()
        while not self._arrived:
            if not self._is_open:
                raise StreamClosed("reset without a closing handshake")
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._arrived.popleft()

    async def close(self) -> None:
        if self.process.dead:
            await never()
        self.drop()

    # The exchange's end.

    def drop(self) -> None:
        """End it without a closing handshake; what was under way is lost."""
        if not self._is_open:
            return
        self._is_open = False
        self._network.open.remove(self)
        self._arrived.clear()
        self._session.ended()
        self._wake()

    def _take(self, text: str) -> None:
        if self._is_open and not self.is_mute:
            self._session.receive(text)

    def _flush(self) -> None:
        frames: list[str] = []
        while (frame := self._session.take()) is not None:
            text = frame.decode()
            if self._is_open and not self.is_mute and (not text.startswith(PRIVATE) or self._keeps_place(text)):
                frames.append(text)
        if frames:
            self._back_s = max(self._back_s + TICK_S, self._loop.time() + self._network.random.uniform(*USUAL_S))
            outside(self._loop.call_at, self._back_s, self._arrive, frames)

    def _keeps_place(self, text: str) -> bool:
        """Let a private frame come twice, late or never, if it is to be so; true where it comes in its place, too."""
        weather, random = self._network.weather, self._network.random
        if weather.rages(Kind.UNTOLD_FILLS) and random.random() < 0.7:
            self._network.history.note("socket", "", f"never told: {text}")
            return False
        if weather.rages(Kind.DOUBLED_FILLS) and random.random() < 0.6:
            outside(self._loop.call_later, random.uniform(0, LATE_S), self._arrive, [text])
        if weather.rages(Kind.REORDERED_FILLS) and random.random() < 0.7:
            outside(self._loop.call_later, random.uniform(0, LATE_S), self._arrive, [text])
            return False
        return True

    def _arrive(self, frames: list[str]) -> None:
        if self._is_open and not self.is_mute:
            self._arrived.extend(frames)
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
