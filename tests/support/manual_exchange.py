"""The product's ``PaperExchange`` without sockets, ticked by hand: its state before and after a restart is compared.

It is no stand-in: tests of the exchange's journal and checkpoints use the exchange itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from support.paper_client import paper_settings
from truebook.clock import ManualClock
from truebook.messages.envelope import BookSide
from truebook.simulation.events import SimulationEvent
from truebook.venue.account import OrderRequest
from truebook_services.paper_exchange.engine.commands import Command, CommandResult
from truebook_services.paper_exchange.server import PaperExchange

ACCOUNT = "sim-main"
SECOND_US = 1_000_000
START_US = 1_764_000_000_000_000


class ManualExchange:
    """One instance; the next on the same folder is its restart."""

    def __init__(self, folder: Path | None = None, now_us: int = START_US, **changes: Any) -> None:
        self.clock = ManualClock(now_us)
        self.server = PaperExchange(paper_settings(folder, **changes), self.clock, structlog.get_logger())
        self.server.prepare()
        self.events: list[SimulationEvent] = []
        self.engine = self.server.state.engine

    def tick(self, seconds: float = 0) -> None:
        """Let time pass, then tick until nothing is due."""
        self.clock.set(self.clock.now_us() + int(seconds * SECOND_US))
        core = self.server.state.core
        while not core.tick(self.server.now_us(), self._publish):
            pass

    def _publish(self, events: Sequence[SimulationEvent]) -> None:
        self.events += events
        self.server.hub.publish(events)

    async def command(self, *commands: Command) -> list[CommandResult]:
        waiting = asyncio.ensure_future(self.server.state.core.execute(commands))
        await asyncio.sleep(0)
        self.tick()
        return await waiting

    def tickers(self) -> list[str]:
        return [market.ticker for market in self.engine.queries.markets()]

    def state(self) -> dict[str, Any]:
        """Return everything that is visible to the account or to the public."""
        engine = self.engine
        return {
            "orders": engine.queries.orders(ACCOUNT),
            "fills": engine.queries.fills(ACCOUNT),
            "settlements": engine.queries.settlements(ACCOUNT),
            "positions": engine.queries.positions(ACCOUNT),
            "balance": engine.queries.balance(ACCOUNT),
            "held": engine.queries.held_micros(ACCOUNT),
            "groups": engine.groups.of_account(ACCOUNT),
            "books": {
                ticker: (
                    engine.queries.book(ticker).levels(BookSide.BID),
                    engine.queries.book(ticker).levels(BookSide.ASK),
                )
                for ticker in self.tickers()
            },
            "trades": engine.queries.trades(None, 1_000),
            "last": {ticker: self.server.state.stats.of(ticker).last_price_cc for ticker in self.tickers()},
        }

    async def close(self) -> None:
        await self.server.aclose()

    def kill(self) -> None:
        """End like kill -9: nothing more is written."""
        journal: Any = self.server.state.core.journal
        journal._unwritten.clear()
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
