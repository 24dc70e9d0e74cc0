"""The simulated exchange at a constant rate: ``python -m bench.kafka_exchange SETTINGS`` (JSON of its settings).

Engine, matching, signatures, rate limits, REST and WebSocket are the service's own. Only the market differs: instead
of synthetic traders, who trade in bursts, one trader adds to a level or reverts that at the rate (per second) given by
the last line on standard input. Each is one delta. After each line the number of ticks so far is printed.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence

import structlog

from bench.samples import SEED, levels
from truebook.clock import MICROS, SystemClock
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, MarketStatus
from truebook.runtime.loop import run_until_done
from truebook.simulation.events import SimulationEvent
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook.venue.account import CreateResponse, OrderRequest
from truebook_services.paper_exchange.engine.recovery import OpenedEngine
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings

TRADER = "trader:paced"
RAISE_CC = 4_000
DEPTH = 10
DEEP_CENTI = 10_000_000
"""The constant size of each level: our orders never exhaust it."""
TICK_CENTI = 500
CLOSES_US = 2**53 - 1


def tickers(markets: int) -> tuple[str, ...]:
    """Return the metadata of a market; each event has two."""
    return tuple(f"SIM{index // 2:05d}-{index:05d}" for index in range(markets))


def metadata(ticker: str) -> MarketMetadata:
    return MarketMetadata(
        ticker=ticker, event=ticker.partition("-")[0], series=ticker.partition("-")[0], status=MarketStatus.ACTIVE,
        open_us=0, close_us=CLOSES_US, price_ranges=LINEAR_CENT, fee_type=FeeType.QUADRATIC,
        fee_multiplier_ppm=1_000_000, exclusive=False, volume_centi=100_000,
    )  # fmt: skip


class PacedSource:
    """A market source (see ``core.MarketSource``) with events at a constant rate, which may be changed."""

    def __init__(self, exchange: SimulatedExchange, names: Sequence[str], raised: int) -> None:
        self.position = 0
        self._exchange = exchange
        self._random = random.Random(SEED)
        self._resting: dict[tuple[str, BookSide, int], str] = {}
        self._every_us = 0.0
        self._from_us = 0
        self._since = 0
        self._places = []
        for index, ticker in enumerate(names):
            for side, prices in zip(BookSide, levels(DEPTH, RAISE_CC if index < raised else 0), strict=True):
                for price_cc, _ in prices:
                    self._places.append((ticker, side, price_cc))
                    self._place(ticker, side, price_cc, DEEP_CENTI, 0)

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
        where = self._random.choice(self._places)
        resting = self._resting.pop(where, None)
        if resting is not None:
            return self._exchange.cancel(TRADER, resting, due_us)[1]
        response, events = self._place(*where, TICK_CENTI, due_us)
        self._resting[where] = response.exchange_order_id
        return events

    def skip(self, until_us: int, at_us: int) -> Sequence[SimulationEvent]:
        return []

    def reseed(self, seed: int) -> None: ...

    def _place(
        self, ticker: str, side: BookSide, price_cc: int, size_centi: int, at_us: int
    ) -> tuple[CreateResponse, list[SimulationEvent]]:
        order = OrderRequest(
            ticker=ticker, book_side=side, price_cc=price_cc, size_centi=size_centi,
            client_order_id=f"{ticker}-{side}-{price_cc}-{self.position}",
        )  # fmt: skip
        response, events = self._exchange.place(TRADER, order, at_us)
        if not isinstance(response, CreateResponse):
            raise AssertionError(f"the trader's own order was refused: {response}")
        return response, events


class PacedExchange(PaperExchange):
    """The service's exchange with a market of our own."""

    def __init__(self, settings: PaperExchangeSettings, raised: int) -> None:
        self.raised = raised
        self.source: PacedSource
        super().__init__(settings, SystemClock(), structlog.get_logger())

    def _open_engine(self) -> OpenedEngine:
        opened = super()._open_engine()
        core = opened.core
        names, now_us = tickers(self.settings.markets), core.reached_us
        for ticker in names:
            core.engine.lifecycle.add_market(metadata(ticker), now_us)
        self.source = core.source = PacedSource(core.engine, names, self.raised)
        return opened


async def main() -> None:
    exchange = PacedExchange(PaperExchangeSettings.model_validate_json(sys.argv[1]), int(sys.argv[2]))
    await exchange.start()
    print(f"ready {exchange.url}", flush=True)
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        exchange.source.pace(int(line), exchange.now_us())
        exchange.state.core.wake.set()
        print(f"ticks {exchange.source.position}", flush=True)
    await exchange.aclose()


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(40), logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    run_until_done(main())
