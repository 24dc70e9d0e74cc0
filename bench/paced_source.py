"""A market at a constant rate for the simulated exchange of benchmarks, and the process that serves it.

Each line on standard input sets the rate per second; after it the number of ticks so far is printed.
"""

from __future__ import annotations

import asyncio
import sys
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence

import structlog

from truebook.clock import MICROS
from truebook.runtime.loop import run_until_done
from truebook.simulation.events import SimulationEvent
from truebook_services.paper_exchange.server import PaperExchange


class PacedSource(ABC):
    """A market source (see ``core.MarketSource``) with ticks at a constant rate, which may be changed."""

    def __init__(self) -> None:
        self.position = 0
        """Number of ticks so far."""
        self._every_us = 0.0
        self._from_us = 0
        self._since = 0

    def pace(self, per_s: int, now_us: int) -> None:
        """Set the number of ticks per second; 0 stops them."""
        self._every_us = MICROS / per_s if per_s else 0.0
        self._from_us, self._since = now_us, 0

    def next_due_us(self) -> int | None:
        return self._from_us + int((self._since + 1) * self._every_us) if self._every_us else None

    def step(self) -> Sequence[SimulationEvent]:
        due_us = self.next_due_us() or 0
        self._since += 1
        self.position += 1
        return self.tick(due_us)

    @abstractmethod
    def tick(self, due_us: int) -> Sequence[SimulationEvent]:
        """Return the events of one tick; ``position`` counts it already."""

    def skip(self, until_us: int, at_us: int) -> Sequence[SimulationEvent]:
        return []

    def reseed(self, seed: int) -> None:
        """Do nothing: the ticks do not depend on the exchange's seed."""
        del seed


async def serve_at_pace(exchange: PaperExchange, source: PacedSource, noun: str) -> None:
    """Report that the started exchange is ready, and follow the rates on standard input until its end."""
    print(f"ready {exchange.url}", flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        source.pace(int(line), exchange.now_us())
        exchange.state.core.wake.set()
        print(f"{noun} {source.position}", flush=True)
    await exchange.aclose()


def run_exchange(main: Coroutine[None, None, None]) -> None:
    """Run the process; only errors are logged, on standard error."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(40), logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    run_until_done(main)
