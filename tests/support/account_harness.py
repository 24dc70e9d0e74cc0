"""Fill listener and reconciler on fakes: in-memory ledger and exchange; orders are placed without execution."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from support.execution_harness import RecordingBus
from support.in_memory_exchange import InMemoryExchange
from support.services import Running, make_context, until
from truebook.clock import Clock, ManualClock
from truebook.ledger.exchange_reports import OPENED, SWEPT
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import LedgerView
from truebook.ledger.verbs import RESERVED, AdvanceWatermark, OpenAccount, Reserve
from truebook.messages.envelope import BookSide, Source
from truebook.messages.fills import FillRecorded, MarketSettled, OrderUpdated
from truebook.messages.topics import FILLS
from truebook.runtime.context import no_crash
from truebook.venue.account import CreateResponse, OrderRequest
from truebook_services.fill_listener.service import build as build_fill_listener
from truebook_services.fill_listener.settings import FillListenerSettings
from truebook_services.reconciler.service import build as build_reconciler
from truebook_services.reconciler.settings import ReconcilerSettings
from truebook_services.reconciler.startup import hold_until_reconciled

BALANCE = 1_000_000_000


class AccountHarness:
    """An account with its exchange and ledger; tests start the services."""

    def __init__(
        self, clock: Clock | None = None, *, balance_micros: int = BALANCE, shards: Sequence[str] = ()
    ) -> None:  # fmt: skip
        self.manual = ManualClock()
        self.clock: Clock = clock or self.manual
        self.exchange = InMemoryExchange(self.clock, balance_micros=balance_micros, shards=shards)
        self.ledger = MemoryStore("account")
        self.bus = RecordingBus(partitions=2)
        self.started: list[Running] = []
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> AccountHarness:
        self.exchange.add_market("M")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for running in self.started:
            if not running.task.done():
                await running.stop()

    async def open(self) -> None:
        """Open the ledger's account as the reconciler does."""
        await self.ledger.apply(AdvanceWatermark(name=OPENED, to_us=self.clock.now_us()))
        await self.ledger.apply(AdvanceWatermark(name=SWEPT, to_us=self.clock.now_us()))
        await self.ledger.apply(OpenAccount(balance_micros=BALANCE))

    def listen(self, settings: FillListenerSettings | None = None, crash=no_crash) -> Running:
        context = make_context("fill_listener", self.clock, self.bus, crash=crash)
        service = build_fill_listener(
            context, settings or FillListenerSettings(), rest=self.exchange, connector=self.exchange,
            ledger=self.ledger,
        )  # fmt: skip
        return self._track(Running(service))

    async def reconcile(
        self, settings: ReconcilerSettings | None = None, *, source: Source = Source.SIMULATED
    ) -> Running:  # fmt: skip
        await hold_until_reconciled(self.ledger)
        context = make_context("reconciler", self.clock, self.bus, source=source)
        service = build_reconciler(context, settings or ReconcilerSettings(), rest=self.exchange, ledger=self.ledger)
        return self._track(Running(service))

    async def place(
        self,
        side: BookSide = BookSide.BID,
        price_cc: int = 4000,
        size_centi: int = 1000,
        *,
        ticker: str = "M",
        exchange_index: int = 0,
    ) -> tuple[str, str]:
        """Reserve and send an order without acknowledging it; return its client and exchange order ids."""
        order_id = f"tb1-{next(self._numbers):032x}"
        now_us = self.clock.now_us()
        reserve = Reserve(
            order_id=order_id, nonce="n", ticker=ticker, event=f"E-{ticker}", exclusive=False, book_side=side,
            price_cc=price_cc, size_centi=size_centi, reduce_only=False, fee_rate_ppm=70_000,
            deadline_us=now_us + 5_000_000, now_us=now_us, partition=0, epoch=1, send_by_us=now_us + 5_000_000,
            expires_us=now_us + 60_000_000, exchange_index=exchange_index,
        )  # fmt: skip
        assert await self.ledger.apply(reserve) == RESERVED
        request = OrderRequest(
            ticker=ticker, client_order_id=order_id, book_side=side, price_cc=price_cc, size_centi=size_centi
        )  # fmt: skip
        response = await self.exchange.create_order(self.exchange.sign_order(request), 1)
        assert isinstance(response, CreateResponse)
        return order_id, response.exchange_order_id

    async def pass_s(self, seconds: int) -> None:
        """Advance the clock second by second; run what each one triggers."""
        for _ in range(seconds):
            await self.manual.advance(1.0)
            for _ in range(50):
                await asyncio.sleep(0)

    async def view(self) -> LedgerView:
        return await self.ledger.view()

    async def state(self, order_id: str) -> str:
        order = await self.ledger.order(order_id)
        assert order is not None
        return order.state

    def position(self, ticker: str = "M") -> int:
        market = self.ledger.ledger.view((ticker,)).market(ticker)
        return market.position_centi if market is not None else 0

    async def wait_for_position(self, centi: int, ticker: str = "M") -> None:
        """Wait until the ledger has that position."""
        await until(lambda: self.position(ticker) == centi, f"a position of {centi} in {ticker}")

    def holds(self) -> set[str]:
        return {hold.name for hold in self.ledger.ledger.view(()).account.holds}

    def fills(self) -> list[FillRecorded]:
        return [event for event in self.bus.of(FILLS) if isinstance(event, FillRecorded)]

    def order_updates(self) -> list[OrderUpdated]:
        return [event for event in self.bus.of(FILLS) if isinstance(event, OrderUpdated)]

    def settlements(self) -> list[MarketSettled]:
        return [event for event in self.bus.of(FILLS) if isinstance(event, MarketSettled)]

    def _track(self, running: Running) -> Running:
        self.started.append(running)
        return running


async def listening(harness: AccountHarness, **settings: Any) -> Running:
    """Start a fill listener and wait until it follows the socket."""
    running = harness.listen(FillListenerSettings(**settings))
    await until(lambda: not running.service.not_ready(), "the fill listener is ready")
    return running
