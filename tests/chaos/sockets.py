"""WebSockets without sockets: in-memory connections onto the exchange's own stream sessions, with latency and faults.

Frames arrive in order, as over TCP. Only frames of the private channels, which have no sequence number, may be
duplicated, delayed or lost while such a fault is active.
"""

from __future__ import annotations

import asyncio
from random import Random

from chaos.conditions import ONE_WAY_S, NetworkConditions
from chaos.exchange import ACCOUNT, Exchange
from chaos.faults import Kind
from chaos.history import History
from chaos.odd_items import odd_frame
from chaos.processes import Process, never, outside
from support.in_memory_stream import InMemoryConnection
from truebook.kalshi.port import Connection, Connector, StreamClosed

PRIVATE = ('{"type":"fill"', '{"type":"user_order"')
LATE_S = 3.0
TICK_S = 1e-6
"""Separates two events on one connection: equal timers may fire in any order."""


class Network:
    """All connections to the exchange."""

    def __init__(self, seed: int, exchange: Exchange, conditions: NetworkConditions, history: History) -> None:
        self.exchange = exchange
        self.conditions = conditions
        self.history = history
        self.random = Random(f"{seed}:sockets")
        self.open: list[ProcessConnection] = []

    def drop(self) -> int:
        """Break every connection; return how many."""
        return len([connection.drop() for connection in list(self.open)])

    def mute(self) -> int:
        """Mute every open connection in both directions without closing it; return how many."""
        for connection in self.open:
            connection.is_mute = True
        return len(self.open)

    def killed(self, process: Process) -> None:
        for connection in [one for one in self.open if one.process is process]:
            connection.drop()


class ProcessConnector(Connector):
    """Opens one process's connections."""

    def __init__(self, network: Network, process: Process) -> None:
        self._network = network
        self._process = process

    async def connect(self) -> Connection:
        if self._process.at_port():
            await never()
        await asyncio.sleep(self._network.random.uniform(*ONE_WAY_S))
        if self._network.conditions.active(Kind.NO_UPGRADE):
            raise StreamClosed("upgrade refused: HTTP 502")
        return ProcessConnection(self._network, self._process)


class ProcessConnection(InMemoryConnection):
    """A connection of one process; frames travel for a while."""

    def __init__(self, network: Network, process: Process) -> None:
        self.process = process
        self.is_mute = False
        self._network = network
        self._loop = asyncio.get_running_loop()
        self._request_due_s = self._response_due_s = 0.0
        super().__init__(network.exchange.paper.hub, ACCOUNT)
        network.open.append(self)

    async def send(self, text: str) -> None:
        if self.process.at_port():
            await never()
        await super().send(text)

    async def receive(self) -> str:
        if self.process.at_port():
            await never()
        return await super().receive()

    async def close(self) -> None:
        if self.process.dead:
            await never()
        self.drop()

    def drop(self) -> None:
        """Close without a closing handshake; frames in flight are lost."""
        if self.is_open:
            self._network.open.remove(self)
            self._arrived.clear()
            super().drop()

    def deliver(self, *frames: str) -> None:
        if not self.is_mute:
            super().deliver(*frames)

    def _forward(self, text: str) -> None:
        self._request_due_s = max(
            self._request_due_s + TICK_S, self._loop.time() + self._network.random.uniform(*ONE_WAY_S)
        )
        outside(self._loop.call_at, self._request_due_s, self._arrive, text)

    def _arrive(self, text: str) -> None:
        if self.is_open and not self.is_mute:
            super()._forward(text)

    def _flush(self) -> None:
        frames = [
            text
            for text in self._taken()
            if self.is_open and not self.is_mute and (not text.startswith(PRIVATE) or self._in_order(text))
        ]
        if frames:
            self._response_due_s = max(
                self._response_due_s + TICK_S, self._loop.time() + self._network.random.uniform(*ONE_WAY_S)
            )
            outside(self._loop.call_at, self._response_due_s, self.deliver, *frames)

    def _in_order(self, text: str) -> bool:
        """Apply faults to a private frame; return True if it is also delivered in order."""
        conditions, random = self._network.conditions, self._network.random
        if conditions.active(Kind.FILLS_DOWN):
            return False
        if conditions.active(Kind.ODD_ITEMS) and random.random() < 0.3:
            outside(self._loop.call_later, random.uniform(0, LATE_S), self.deliver, odd_frame(text))
            return False
        if conditions.active(Kind.LOST_FILL_FRAMES) and random.random() < 0.7:
            self._network.history.note("socket", "", f"frame lost: {text}")
            return False
        if conditions.active(Kind.DUPLICATED_FILL_FRAMES) and random.random() < 0.6:
            outside(self._loop.call_later, random.uniform(0, LATE_S), self.deliver, text)
        if conditions.active(Kind.REORDERED_FILL_FRAMES) and random.random() < 0.7:
            outside(self._loop.call_later, random.uniform(0, LATE_S), self.deliver, text)
            return False
        return True
