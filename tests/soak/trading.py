"""A long simulated time of trading through the exchange, the ledger and their journals on disk, as fast as possible.

The trader is not the product's: it changes the ledger at the rate of a run with default settings, so that what is
stored can be measured over a day. Everything that stores is the product's: the simulated exchange with its journal and
checkpoints, the ledger's rules, the relay, the journal's file with its upkeep, and pruning.
"""

from __future__ import annotations

import asyncio
import os
import resource
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import structlog

from support.paper_client import paper_settings
from support.services import make_context
from truebook.clock import MICROS, ManualClock
from truebook.ledger.journal.file import FileJournal
from truebook.ledger.journal.upkeep import JournalUpkeep, Retention
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.verbs import (
    RESERVED,
    Acknowledge,
    Close,
    OpenAccount,
    Prune,
    Reserve,
    SettleFill,
    SettleMarket,
    Verb,
)
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketMetadata
from truebook.simulation.events import Filled, MarketChanged, OrderChanged, SimulationEvent
from truebook.venue.account import CreateResponse, OrderRequest, OrderStatus
from truebook.venue.lifecycle import takes_orders
from truebook_services.paper_exchange.engine.commands import CancelOrder, Command, PlaceOrder
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.reconciler.relay import Relay

ACCOUNT: Final = "sim-main"
BALANCE_MICROS: Final = 10**12
START_US: Final = 1_764_000_000_000_000
MARKETS: Final = 50
ORDERS_PER_S: Final = 58
"""With refusals about 85 entries of the ledger's journal a second: 2.8 GB a day before compression."""
LIFETIME_S: Final = 20
CANCEL_AFTER_S: Final = 5
PRUNE_EVERY_S: Final = 600
RETENTION_S: Final = 3_600
UPKEEP_EVERY_S: Final = 60
KEEP: Final = 10_000
JOURNAL: Final = "journal.jsonl"
EXCHANGE: Final = "exchange"


class Sizes(msgspec.Struct, frozen=True):
    """A measurement after some simulated time."""

    hours: float
    rss_mib: float
    ledger_mib: float
    exchange_mib: float
    orders: int
    fills: int
    entries: int
    markets: int
    """In the ledger."""

    def __str__(self) -> str:
        return (
            f"{self.hours:5.1f} h  RSS {self.rss_mib:6.0f} MiB  ledger's journal {self.ledger_mib:6.1f} MiB  "
            f"exchange's {self.exchange_mib:6.1f} MiB  orders {self.orders:>9,}  fills {self.fills:>7,}  "
            f"entries {self.entries:>9,}  markets {self.markets:>5,}"
        )


class Trading:
    """One run in a folder; create it with ``open``."""

    def __init__(
        self, folder: Path, journal: FileJournal, exchange: PaperExchange, clock: ManualClock, *, orders_per_s: int
    ) -> None:  # fmt: skip
        self.folder = folder
        self.journal = journal
        self.exchange = exchange
        self.ledger = MemoryStore("soak")
        self.orders = self.fills = 0
        self.clock = clock
        self._orders_per_s = orders_per_s
        self._random = Random(1)
        self._open: dict[str, MarketMetadata] = {}
        self._cancels: deque[tuple[int, str]] = deque()
        self._relay = Relay(make_context("reconciler", clock), self.ledger, journal, keep=KEEP)

    @classmethod
    async def open(
        cls, folder: Path, *, segment_bytes: int, exchange_bytes: int, orders_per_s: int = ORDERS_PER_S
    ) -> Trading:
        """Open everything that is stored below the folder."""
        clock = ManualClock(START_US)
        settings = paper_settings(
            folder / EXCHANGE, markets=MARKETS, balance_micros=BALANCE_MICROS,
            journal_segment_bytes=segment_bytes, journal_max_bytes=exchange_bytes,
        )  # fmt: skip
        exchange = PaperExchange(settings, clock, structlog.get_logger())
        exchange.prepare()
        journal = await FileJournal.open(folder / JOURNAL, segment_bytes=segment_bytes)
        trading = cls(folder, journal, exchange, clock, orders_per_s=orders_per_s)
        await trading.ledger.apply(OpenAccount(balance_micros=BALANCE_MICROS))
        return trading

    async def run(self, hours: float, retention: Retention, report: Callable[[Sizes], None]) -> None:
        """Trade for that time; report at the start of each of 24 parts, and at the end."""
        upkeep = JournalUpkeep(self.journal, retention, structlog.get_logger(), self._now_s)
        seconds = int(hours * 3_600)
        for second in range(seconds):
            self.clock.set(START_US + (second + 1) * MICROS)
            if second % (seconds // 24) == 0:
                report(self.sizes(second / 3_600))
            await self._second()
            if second % UPKEEP_EVERY_S == 0:
                await self._relay.run()
                await upkeep.run()
                self.checkpoints.bound_journal()
            if second % PRUNE_EVERY_S == 0:
                before_us = self.clock.now_us() - RETENTION_S * MICROS
                while await self.ledger.apply(Prune(terminal_before_us=before_us, settled_before_us=before_us)):
                    pass
        await self._finish()
        await upkeep.run()
        report(self.sizes(hours))

    def restarted_exchange(self) -> PaperExchange:
        """Close the exchange and open it again from its files."""
        self.exchange.state.core.journal.close()
        again = PaperExchange(self.exchange.settings, self.clock, structlog.get_logger())
        again.prepare()
        return again

    async def _finish(self) -> None:
        """Let all orders end, and copy the last entries."""
        for _ in range(LIFETIME_S + 2):
            self.clock.set(self.clock.now_us() + MICROS)
            self._tick()
        await self._relay.run()
        self.exchange.save_checkpoint()

    def _now_s(self) -> int:
        return self.clock.now_us() // MICROS

    @property
    def checkpoints(self) -> Any:
        return self.exchange._opened.checkpoints  # type: ignore[union-attr]

    def sizes(self, hours: float) -> Sizes:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return Sizes(
            hours=hours, rss_mib=pages * resource.getpagesize() / 2**20,
            ledger_mib=sum(_files(self.folder)) / 2**20, exchange_mib=sum(_files(self.folder / EXCHANGE)) / 2**20,
            orders=self.orders, fills=self.fills, entries=self.ledger.ledger.seq,
            markets=len(self.ledger.ledger.state.markets),
        )  # fmt: skip

    async def _second(self) -> None:
        """Place and cancel the orders of one second, and record what the exchange reports."""
        self._tick()
        commands = [*self._due_cancels(), *self._new_orders()]
        waiting = asyncio.ensure_future(self.exchange.state.core.execute(commands))
        await asyncio.sleep(0)
        self._tick()
        for command, result in zip(commands, await waiting, strict=True):
            if not isinstance(command, PlaceOrder):
                continue
            order_id = command.request.client_order_id
            if isinstance(result, CreateResponse):
                self._cancels.append((self._now_s() + CANCEL_AFTER_S, result.exchange_order_id))
            else:
                self._apply(Close(order_id=order_id, exchange_order_id=None, filled_centi=0))

    def _tick(self) -> None:
        while not self.exchange.state.core.tick(self.exchange.now_us(), self._record):
            pass
        self.checkpoints.save_if_due()

    def _due_cancels(self) -> Iterator[Command]:
        while self._cancels and self._cancels[0][0] <= self._now_s():
            _, order_id = self._cancels.popleft()
            if self._random.randrange(2):
                yield CancelOrder(ACCOUNT, order_id)

    def _new_orders(self) -> Iterator[Command]:
        tickers = sorted(self._open)
        for _ in range(self._orders_per_s if tickers else 0):
            market = self._open[self._random.choice(tickers)]
            side = self._random.choice((BookSide.BID, BookSide.ASK))
            levels = self.exchange.state.engine.queries.book(market.ticker).levels(side)
            price_cc = levels[0][0] if levels else (100 if side is BookSide.BID else 9_900)
            self.orders += 1
            now_us, order_id = self.clock.now_us(), f"tb-soak-{self.orders}"
            reserve = Reserve(
                order_id=order_id, nonce="n", ticker=market.ticker, event=market.event, exclusive=market.exclusive,
                book_side=side, price_cc=price_cc, size_centi=100, reduce_only=False, fee_rate_ppm=70_000,
                deadline_us=now_us + 2 * MICROS, now_us=now_us, partition=0, epoch=1,
            )  # fmt: skip
            if self._apply(reserve) == RESERVED:
                expiration_s = self._now_s() + LIFETIME_S
                yield PlaceOrder(
                    ACCOUNT,
                    OrderRequest(
                        ticker=market.ticker, client_order_id=order_id, book_side=side, price_cc=price_cc,
                        size_centi=100, expiration_s=expiration_s,
                    ),
                )  # fmt: skip

    def _record(self, events: Sequence[SimulationEvent]) -> None:
        """Record in the ledger what the exchange publishes, and follow which markets are open."""
        self.exchange.hub.publish(events)
        for event in events:
            if isinstance(event, MarketChanged):
                self._follow(event.metadata, is_settled=event.event_type == "settled")
            elif isinstance(event, OrderChanged):
                order = event.order
                if order.status is OrderStatus.RESTING:
                    remaining = order.remaining_centi
                    self._apply(
                        Acknowledge(
                            order_id=order.client_order_id, exchange_order_id=order.exchange_order_id,
                            ticker=order.ticker, filled_centi=order.filled_centi, remaining_centi=remaining,
                        )
                    )  # fmt: skip
                else:
                    self._apply(
                        Close(
                            order_id=order.client_order_id, exchange_order_id=order.exchange_order_id,
                            filled_centi=order.filled_centi,
                        )
                    )  # fmt: skip
            elif isinstance(event, Filled):
                fill = event.fill
                self.fills += 1
                self._apply(
                    SettleFill(
                        trade_id=fill.trade_id, order_id=fill.exchange_order_id, ticker=fill.ticker,
                        book_side=fill.book_side, price_cc=fill.price_cc, size_centi=fill.size_centi,
                        fee_micros=fill.fee_micros,
                    )
                )  # fmt: skip

    def _follow(self, market: MarketMetadata, *, is_settled: bool) -> None:
        if takes_orders(market.status) and market.close_us > self.clock.now_us():
            self._open[market.ticker] = market
            return
        self._open.pop(market.ticker, None)
        if is_settled and market.settlement_cc is not None and market.ticker in self.ledger.ledger.state.markets:
            self._apply(SettleMarket(ticker=market.ticker, settlement_cc=market.settlement_cc))

    def _apply(self, verb: Verb[Any]) -> Any:
        return self.ledger.ledger.apply(verb)


def _files(folder: Path) -> Iterator[int]:
    for path in folder.iterdir():
        if path.is_file():
            yield path.stat().st_size


def without_syncs() -> None:
    """Let nothing wait for the disk: this measures sizes, not durability."""
    os.fsync = lambda _: None
