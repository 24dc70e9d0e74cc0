"""The harnesses of ``exchange_contract``: every implementation of the exchange's ports, with other accounts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from support.exchange_contract import Action
from support.in_memory_exchange import InMemoryExchange
from truebook.clock import Clock, SystemClock
from truebook.kalshi.port import Connector, RestClient
from truebook.simulation.events import SimulationEvent
from truebook_services.paper_exchange.server import PaperExchange


class InMemoryHarness:
    """The in-memory exchange of the tests."""

    def __init__(self, shards: Sequence[str] = ()) -> None:
        self.exchange = InMemoryExchange(SystemClock(), settlement_delay_us=0, shards=shards)
        self.connector: Connector = self.exchange

    def client(self, clock: Clock) -> RestClient:
        return self.exchange.client(clock)

    async def act(self, action: Action) -> None:
        self.exchange.publish(action(self.exchange.engine, SystemClock().now_us()))
        self.exchange.advance()

    def drop_connections(self) -> None:
        for connection in self.exchange.connections:
            connection.drop()


class ActionSource:
    """A source of market events that contains what a test does as other accounts, instead of synthetic traders."""

    def __init__(self, exchange: PaperExchange) -> None:
        self.position = 0
        self._exchange = exchange
        self._actions: deque[tuple[Action, asyncio.Future[None]]] = deque()
        exchange.state.core.source = self

    async def act(self, action: Action) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._actions.append((action, done))
        self._exchange.state.core.wake.set()
        await done

    def next_due_us(self) -> int | None:
        return self._exchange.state.core.reached_us if self._actions else None

    def step(self) -> Sequence[SimulationEvent]:
        action, done = self._actions.popleft()
        self.position += 1
        done.set_result(None)
        return action(self._exchange.state.engine, self._exchange.now_us())

    def skip(self, until_us: int, at_us: int) -> Sequence[SimulationEvent]:
        return ()


class PaperHarness:
    """A running ``PaperExchange`` behind a transport."""

    def __init__(
        self, exchange: PaperExchange, connector: Connector, client: Callable[[Clock], RestClient],
        drop_connections: Callable[[], Any],
    ) -> None:  # fmt: skip
        self.connector = connector
        self.client = client
        self.act = ActionSource(exchange).act
        self.drop_connections = drop_connections
