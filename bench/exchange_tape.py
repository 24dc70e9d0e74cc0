"""The simulated exchange for benchmarks: ``python -m bench.exchange_tape SETTINGS [LISTED]`` (JSON of its settings).

Hub, sessions and sockets are the service's own. Without ``LISTED`` the market is a tape of deltas made before, and the
engine has no part: each line on standard input sets the deltas per second; after it their number so far is printed.
With it, synthetic traders trade beside so many further markets that are only listed.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Sequence

import structlog

from bench.kafka_exchange import metadata, tickers
from bench.samples import levels
from truebook.clock import MICROS, SystemClock
from truebook.messages.envelope import BookSide
from truebook.runtime.loop import run_until_done
from truebook.simulation.events import LevelChanged, SimulationEvent
from truebook_services.paper_exchange.engine.recovery import OpenedEngine
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings


class TapeSource:
    """A market source (see ``core.MarketSource``) that returns deltas made before, at a constant rate."""

    def __init__(self, names: Sequence[str]) -> None:
        self.position = 0
        self._every_us = 0.0
        self._from_us = 0
        self._since = 0
        places = [
            (ticker, side, price_cc)
            for ticker in names
            for side, prices in zip(BookSide, levels(10), strict=True)
            for price_cc, _ in prices
        ]
        self._tape = itertools.cycle([(*place, size_centi) for size_centi in (500, -500) for place in places])

    def pace(self, per_s: int, now_us: int) -> None:
        """Set the number of deltas per second; 0 stops them."""
        self._every_us = MICROS / per_s if per_s else 0.0
        self._from_us, self._since = now_us, 0

    def next_due_us(self) -> int | None:
        return self._from_us + int((self._since + 1) * self._every_us) if self._every_us else None

    def step(self) -> Sequence[SimulationEvent]:
        due_us = self.next_due_us() or 0
        self._since += 1
        self.position += 1
        ticker, side, price_cc, delta_centi = next(self._tape)
        changed = LevelChanged(
            at_us=due_us, ticker=ticker, book_side=side, price_cc=price_cc, delta_centi=delta_centi,
            clock=self.position,
        )  # fmt: skip
        return [changed]

    def skip(self, until_us: int, at_us: int) -> Sequence[SimulationEvent]:
        return []

    def reseed(self, seed: int) -> None: ...


class TapeExchange(PaperExchange):
    """The service's exchange, whose market is the tape."""

    source: TapeSource

    def _open_engine(self) -> OpenedEngine:
        opened = super()._open_engine()
        names = tickers(self.settings.markets)
        for ticker in names:
            opened.core.engine.lifecycle.add_market(metadata(ticker), opened.core.reached_us)
        self.source = opened.core.source = TapeSource(names)
        return opened


class ListingExchange(PaperExchange):
    """The service's exchange with further markets that are only listed, behind the traded ones."""

    listed = 0

    def _open_engine(self) -> OpenedEngine:
        opened = super()._open_engine()
        opened.core.tick(self._clock.now_us(), lambda events: None)
        for ticker in tickers(self.listed):
            opened.core.engine.lifecycle.add_market(metadata(ticker), opened.core.reached_us)
        return opened


async def main() -> None:
    settings = PaperExchangeSettings.model_validate_json(sys.argv[1])
    if len(sys.argv) > 2:
        listing = ListingExchange(settings, SystemClock(), structlog.get_logger())
        listing.listed = int(sys.argv[2])
        await listing.start()
        print(f"ready {listing.url}", flush=True)
        await listing.wait()
        return
    exchange = TapeExchange(settings, SystemClock(), structlog.get_logger())
    await exchange.start()
    print(f"ready {exchange.url}", flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        exchange.source.pace(int(line), exchange.now_us())
        exchange.state.core.wake.set()
        print(f"deltas {exchange.source.position}", flush=True)
    await exchange.aclose()


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(40), logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    run_until_done(main())
