"""Fill listener and reconciler on fakes: a ledger of rules, an exchange in memory, orders placed past execution."""

from __future__ import annotations

import itertools
from types import TracebackType
from typing import Any

from support.execution_rig import RecordingBus, Running, make_context, until
from support.fakes_exchange import FakeConnector, FakeExchange
from truebook.clock import Clock, ManualClock
from truebook.ledger.facts import OPENED, SWEPT
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import Reserve, View
from truebook.messages.envelope import BookSide
from truebook.messages.fills import FillBooked, MarketSettled, OrderUpdated
from truebook.messages.topics import FILLS
from truebook.runtime.context import no_crash
from truebook.venue.account import CreateAnswer, OrderRequest
from truebook_services.fill_listener.service import build as build_fill_listener
from truebook_services.fill_listener.settings import FillListenerSettings
from truebook_services.reconciler.service import build as build_reconciler
from truebook_services.reconciler.settings import ReconcilerSettings
from truebook_services.reconciler.startup import begin

BALANCE = 1_000_000_000


class AccountRig:
    """An account with its exchange and ledger; services are started by the tests."""

    def __init__(self, clock: Clock | None = None, *, balance_micros: int = BALANCE) -> None:
        self.manual = ManualClock()
        self.clock: Clock = clock or self.manual
        self.exchange = FakeExchange(self.clock, balance_micros=balance_micros)
        self.connector = FakeConnector(self.exchange)
        self.ledger = MemoryStore("account")
        self.bus = RecordingBus(partitions=2)
        self.lives: list[Running] = []
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> AccountRig:
        self.exchange.add_market("M")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for running in self.lives:
            if not running.task.done():
                await running.stop()

    async def open(self) -> None:
        """Open the ledger's account as the reconciler does."""
        await self.ledger.advance_watermark(OPENED, self.clock.now_us())
        await self.ledger.advance_watermark(SWEPT, self.clock.now_us())
        await self.ledger.open_account(BALANCE, ())

    def listen(self, settings: FillListenerSettings | None = None, crash=no_crash) -> Running:
        context = make_context("fill_listener", self.clock, self.bus, crash=crash)
        service = build_fill_listener(
            context, settings or FillListenerSettings(), rest=self.exchange, connector=self.connector,
            ledger=self.ledger,
        )  # fmt: skip
        return self._started(Running(service))

    async def reconcile(self, settings: ReconcilerSettings | None = None) -> Running:
        await begin(self.ledger)
        context = make_context("reconciler", self.clock, self.bus)
        service = build_reconciler(context, settings or ReconcilerSettings(), rest=self.exchange, ledger=self.ledger)
        return self._started(Running(service))

    async def place(
        self, side: BookSide = BookSide.BID, price_cc: int = 4000, size_centi: int = 1000, *, ticker: str = "M"
    ) -> tuple[str, str]:
        """Reserve and send one order as execution does, without acknowledging it; (our id, the exchange's id)."""
        order_id = f"tb1-{next(self._numbers):032x}"
        now_us = self.clock.now_us()
        reserve = Reserve(
            order_id=order_id, nonce="n", ticker=ticker, event=f"E-{ticker}", exclusive=False, book_side=side,
            price_cc=price_cc, size_centi=size_centi, reduce_only=False, fee_rate_ppm=70_000,
            deadline_us=now_us + 5_000_000, now_us=now_us, partition=0, epoch=1, send_by_us=now_us + 5_000_000,
            expires_us=now_us + 60_000_000,
        )  # fmt: skip
        assert await self.ledger.reserve(reserve) == "reserved"
        request = OrderRequest(
            ticker=ticker, client_order_id=order_id, book_side=side, price_cc=price_cc, size_centi=size_centi
        )  # fmt: skip
        answer = await self.exchange.create_order(self.exchange.sign_order(request), 1)
        assert isinstance(answer, CreateAnswer)
        return order_id, answer.exchange_order_id

    async def view(self) -> View:
        return await self.ledger.view()

    async def state(self, order_id: str) -> str:
        order = await self.ledger.order(order_id)
        assert order is not None
        return order.state

    def position(self, ticker: str = "M") -> int:
        market = self.ledger.ledger.view((ticker,)).market(ticker)
        return market.position_centi if market is not None else 0

    async def settled(self, centi: int, ticker: str = "M") -> None:
        """Wait until the ledger holds that position."""
        await until(lambda: self.position(ticker) == centi, f"a position of {centi} in {ticker}")

    def holds(self) -> set[str]:
        return {hold.name for hold in self.ledger.ledger.view(()).account.holds}

    def fills(self) -> list[FillBooked]:
        return [news for news in self.bus.of(FILLS) if isinstance(news, FillBooked)]

    def order_news(self) -> list[OrderUpdated]:
        return [news for news in self.bus.of(FILLS) if isinstance(news, OrderUpdated)]

    def settlements(self) -> list[MarketSettled]:
        return [news for news in self.bus.of(FILLS) if isinstance(news, MarketSettled)]

    def _started(self, running: Running) -> Running:
        self.lives.append(running)
        return running


async def listening(rig: AccountRig, **settings: Any) -> Running:
    """Start a fill listener and wait until it follows the socket."""
    running = rig.listen(FillListenerSettings(**settings))
    await until(lambda: not running.service.not_ready(), "the fill listener follows")
    return running
