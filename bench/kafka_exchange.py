"""The simulated exchange at a constant rate: ``python -m bench.kafka_exchange SETTINGS`` (JSON of its settings).

Engine, matching, signatures, rate limits, REST and WebSocket are the service's own. Only the market differs: instead
of synthetic traders, who trade in bursts, one trader adds to a level or reverts that at the rate (per second) given by
the last line on standard input. Each is one delta. After each line the number of ticks so far is printed.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence

import structlog

from bench.paced_source import PacedSource, run_exchange, serve_at_pace
from bench.samples import SEED, levels
from truebook.clock import SystemClock
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, MarketStatus
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
    """Return the names of markets; each event has two."""
    return tuple(f"SIM{index // 2:05d}-{index:05d}" for index in range(markets))


def metadata(ticker: str) -> MarketMetadata:
    return MarketMetadata(
        ticker=ticker, event=ticker.partition("-")[0], series=ticker.partition("-")[0], status=MarketStatus.ACTIVE,
        open_us=0, close_us=CLOSES_US, price_ranges=LINEAR_CENT, fee_type=FeeType.QUADRATIC,
        fee_multiplier_ppm=1_000_000, exclusive=False, volume_centi=100_000,
    )  # fmt: skip


class TraderSource(PacedSource):
    """The trader."""

    def __init__(self, exchange: SimulatedExchange, names: Sequence[str], raised: int) -> None:
        super().__init__()
        self._exchange = exchange
        self._random = random.Random(SEED)
        self._resting: dict[tuple[str, BookSide, int], str] = {}
        self._places = []
        for index, ticker in enumerate(names):
            for side, prices in zip(BookSide, levels(DEPTH, RAISE_CC if index < raised else 0), strict=True):
                for price_cc, _ in prices:
                    self._places.append((ticker, side, price_cc))
                    self._place(ticker, side, price_cc, DEEP_CENTI, 0)

    def tick(self, due_us: int) -> Sequence[SimulationEvent]:
        where = self._random.choice(self._places)
        resting = self._resting.pop(where, None)
        if resting is not None:
            return self._exchange.cancel(TRADER, resting, due_us)[1]
        response, events = self._place(*where, TICK_CENTI, due_us)
        self._resting[where] = response.exchange_order_id
        return events

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
        self.source: TraderSource
        super().__init__(settings, SystemClock(), structlog.get_logger())

    def _open_engine(self) -> OpenedEngine:
        opened = super()._open_engine()
        core = opened.core
        names, now_us = tickers(self.settings.markets), core.reached_us
        for ticker in names:
            core.engine.lifecycle.add_market(metadata(ticker), now_us)
        self.source = core.source = TraderSource(core.engine, names, self.raised)
        return opened


async def main() -> None:
    exchange = PacedExchange(PaperExchangeSettings.model_validate_json(sys.argv[1]), int(sys.argv[2]))
    await exchange.start()
    await serve_at_pace(exchange, exchange.source, "ticks")


if __name__ == "__main__":
    run_exchange(main())
