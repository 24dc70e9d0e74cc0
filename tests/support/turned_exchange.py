"""An exchange without sockets that is turned by hand: what it does, and what it is after a restart, can be compared."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from support.paper_rig import paper_settings
from truebook.clock import ManualClock
from truebook.messages.envelope import BookSide
from truebook.simulation.events import SimulationEvent
from truebook.venue.account import OrderRequest
from truebook_services.paper_exchange.commands import Answer, Command
from truebook_services.paper_exchange.server import PaperExchange

ACCOUNT = "sim-main"
SECOND_US = 1_000_000
START_US = 1_764_000_000_000_000


class TurnedExchange:
    """One life of it."""

    def __init__(self, folder: Path, now_us: int = START_US, **changes: Any) -> None:
        self.clock = ManualClock(now_us)
        self.exchange = PaperExchange(paper_settings(folder, **changes), self.clock, structlog.get_logger())
        self.exchange.prepare()
        self.told: list[SimulationEvent] = []
        self.engine = self.exchange.floor.engine

    def turn(self, seconds: float = 0) -> None:
        """Let time pass, and do turns until nothing is due."""
        self.clock.set(self.clock.now_us() + int(seconds * SECOND_US))
        core = self.exchange.floor.core
        while not core.turn(self.exchange.now_us(), self._hear):
            pass

    def _hear(self, events: Sequence[SimulationEvent]) -> None:
        self.told += events
        self.exchange.floor.hub.deliver(events)

    async def command(self, *commands: Command) -> list[Answer]:
        waiting = asyncio.ensure_future(self.exchange.floor.core.carry_out(commands))
        await asyncio.sleep(0)
        self.turn()
        return await waiting

    def tickers(self) -> list[str]:
        return [facts.ticker for facts in self.engine.markets()]

    def state(self) -> dict[str, Any]:
        """Everything that an account or a reader of markets can see."""
        engine = self.engine
        return {
            "orders": engine.orders(ACCOUNT),
            "fills": engine.fills(ACCOUNT),
            "settlements": engine.settlements(ACCOUNT),
            "positions": engine.positions(ACCOUNT),
            "balance": engine.balance(ACCOUNT),
            "held": engine.held_micros(ACCOUNT),
            "groups": engine.groups(ACCOUNT),
            "books": {
                ticker: (engine.book(ticker).levels(BookSide.BID), engine.book(ticker).levels(BookSide.ASK))
                for ticker in self.tickers()
            },
            "trades": engine.trades(None, 1_000),
            "last": {ticker: self.exchange.floor.hub.stats(ticker).last_price_cc for ticker in self.tickers()},
        }

    async def close(self) -> None:
        await self.exchange.aclose()

    def kill(self) -> None:
        """End as kill -9 does: nothing is written any more."""
        journal: Any = self.exchange._journal
        journal._waiting.clear()
        journal.close()


def request(ticker: str, number: int, **changes: Any) -> OrderRequest:
    fields: dict[str, Any] = {
        "ticker": ticker,
        "client_order_id": f"c{number}",
        "book_side": BookSide.BID,
        "price_cc": 5_000,
        "size_centi": 300,
    } | changes
    return OrderRequest(**fields)
