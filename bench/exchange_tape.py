"""The simulated exchange for benchmarks: ``python -m bench.exchange_tape SETTINGS [LISTED]`` (JSON of its settings).

Hub, sessions and sockets are the service's own. Without ``LISTED`` the market is a tape of deltas made before, and the
engine has no part: each line on standard input sets the deltas per second; after it their number so far is printed.
With it, synthetic traders trade beside so many further markets that are only listed.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence

import structlog

from bench.kafka_exchange import metadata, tickers
from bench.paced_source import PacedSource, run_exchange, serve_at_pace
from bench.samples import levels
from truebook.clock import SystemClock
from truebook.messages.envelope import BookSide
from truebook.simulation.events import LevelChanged, SimulationEvent
from truebook_services.paper_exchange.engine.recovery import OpenedEngine
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings


class TapeSource(PacedSource):
    """Returns deltas made before."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        places = [
            (ticker, side, price_cc)
            for ticker in names
            for side, prices in zip(BookSide, levels(10), strict=True)
            for price_cc, _ in prices
        ]
        self._tape = itertools.cycle([(*place, size_centi) for size_centi in (500, -500) for place in places])

    def tick(self, due_us: int) -> Sequence[SimulationEvent]:
        ticker, side, price_cc, delta_centi = next(self._tape)
        changed = LevelChanged(
            at_us=due_us, ticker=ticker, book_side=side, price_cc=price_cc, delta_centi=delta_centi,
            clock=self.position,
        )  # fmt: skip
        return [changed]


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
    await serve_at_pace(exchange, exchange.source, "deltas")


if __name__ == "__main__":
    run_exchange(main())
