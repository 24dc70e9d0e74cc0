"""The simulated exchange at a steady pace: ``python -m bench.kafka_exchange SETTINGS`` (JSON of its settings).

Engine, matching, signatures, rate limits, REST and WebSocket are the service's own. Only the market differs: instead
of synthetic traders, who come in bursts, one trader adds to a level or takes that back, so many times a second as the
last line on standard input says. Each is one delta. After each line the number of ticks so far is printed.
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
from truebook.messages.facts import LINEAR_CENT, FeeType, MarketFacts, MarketStatus
from truebook.runtime.loop import run_until_done
from truebook.simulation.events import SimulationEvent
from truebook.simulation.order_entry import OrderEntry
from truebook.venue.account import CreateAnswer, OrderRequest
from truebook_services.paper_exchange.core import ExchangeCore
from truebook_services.paper_exchange.fault_board import FaultBoard
from truebook_services.paper_exchange.hub import Hub
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings

TRADER = "trader:paced"
RAISE_CC = 4_000
DEPTH = 10
DEEP_CENTI = 10_000_000
"""What stands in each level for good: our orders never reach its end."""
TICK_CENTI = 500
CLOSES_US = 2**53 - 1


def tickers(markets: int) -> tuple[str, ...]:
    """Two markets an event."""
    return tuple(f"SIM{index // 2:05d}-{index:05d}" for index in range(markets))


def facts(ticker: str) -> MarketFacts:
    return MarketFacts(
        ticker=ticker, event=ticker.partition("-")[0], series=ticker.partition("-")[0], status=MarketStatus.ACTIVE,
        open_us=0, close_us=CLOSES_US, price_ranges=LINEAR_CENT, fee_type=FeeType.QUADRATIC,
        fee_multiplier_ppm=1_000_000, exclusive=False, volume_centi=100_000,
    )  # fmt: skip


class PacedSource:
    """A market source (see ``core.MarketSource``) whose events come at an even pace, which may be changed."""

    def __init__(self, exchange: OrderEntry, names: Sequence[str], raised: int) -> None:
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
        """So many ticks a second from now on; 0 is silence."""
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
        answer, events = self._place(*where, TICK_CENTI, due_us)
        self._resting[where] = answer.exchange_order_id
        return events

    def away(self, until_us: int, at_us: int) -> Sequence[SimulationEvent]:
        return []

    def _place(
        self, ticker: str, side: BookSide, price_cc: int, size_centi: int, at_us: int
    ) -> tuple[CreateAnswer, list[SimulationEvent]]:
        order = OrderRequest(
            ticker=ticker, book_side=side, price_cc=price_cc, size_centi=size_centi,
            client_order_id=f"{ticker}-{side}-{price_cc}-{self.position}",
        )  # fmt: skip
        answer, events = self._exchange.place(TRADER, order, at_us)
        if not isinstance(answer, CreateAnswer):
            raise AssertionError(f"the trader's own order was refused: {answer}")
        return answer, events


class PacedExchange(PaperExchange):
    """The service's exchange with a market of our own."""

    def __init__(self, settings: PaperExchangeSettings, raised: int) -> None:
        self.raised = raised
        self.source: PacedSource
        super().__init__(settings, SystemClock(), structlog.get_logger())

    def _recover(self) -> tuple[ExchangeCore, Hub, FaultBoard]:
        core, hub, faults = super()._recover()
        names, now_us = tickers(self.settings.markets), core.reached_us
        for ticker in names:
            core.engine.add_market(facts(ticker), now_us)  # type: ignore[attr-defined]
        self.source = core.source = PacedSource(core.engine, names, self.raised)
        return core, hub, faults


async def main() -> None:
    exchange = PacedExchange(PaperExchangeSettings.model_validate_json(sys.argv[1]), int(sys.argv[2]))
    await exchange.start()
    print(f"ready {exchange.url}", flush=True)
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        exchange.source.pace(int(line), exchange.now_us())
        exchange.floor.core.wake.set()
        print(f"ticks {exchange.source.position}", flush=True)
    await exchange.aclose()


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(40), logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    run_until_done(main())
