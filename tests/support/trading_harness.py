"""Execution, fill listener and reconciler on fakes, driven by a seed: actions, other accounts, faults, kills."""

from __future__ import annotations

import asyncio
import random

from support.account_harness import AccountHarness
from support.execution_harness import ExecutionHarness, ask, bid
from support.in_memory_exchange import shifted
from support.in_memory_rest import Shown
from support.services import Running, kill_at, until
from truebook.kalshi.port import OutcomeUnknown
from truebook.ledger.verbs import Hold, Mode
from truebook.messages.actions import OmittedSides, Target
from truebook.messages.envelope import BookSide
from truebook.venue.account import OrderStatus
from truebook_services.execution.settings import ExecutionSettings

TICKERS = ("A", "B", "C")
PRICES = range(4200, 5900, 100)


class TradingHarness:
    """The three services that move money, on one exchange, ledger, bus and manual clock."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.account = AccountHarness()
        self.orders = ExecutionHarness(
            ExecutionSettings(tier="prestige", cancel_stale_after_s=1000, breaker_errors=1000),
            ledger=self.account.ledger, exchange=self.account.exchange, bus=self.account.bus,
            clock=self.account.manual,
        )  # fmt: skip
        self.exchange = self.account.exchange
        self.clock = self.account.manual
        self.ledger = self.account.ledger
        self.listener: Running | None = None
        self.executor: Running | None = None

    async def start(self) -> None:
        """Start fill listener and execution, or replace those that were killed."""
        if self.listener is None or self.listener.task.done():
            self.listener = self.account.listen(crash=self._crash("settled"))
        if self.executor is None or self.executor.task.done():
            self.executor = self.orders.start(self._crash(self.random.choice(("reserved", "sent"))))

    async def open(self) -> None:
        await self.account.reconcile()
        await self.start()
        await self.pass_time(1)
        await until(lambda: "reconciliation" not in self.account.holds(), "trading is permitted")
        for ticker in TICKERS:
            await self.orders.open_market(ticker, bids=((4000, 5_000),), asks=((6000, 5_000),))

    def _crash(self, label: str):
        """Kill at that label in one of five runs."""
        return kill_at(label) if self.random.random() < 0.2 else kill_at("never")

    async def pass_time(self, seconds: float) -> None:
        for _ in range(max(1, int(seconds * 2))):
            await self.clock.advance(0.5)
            await self.settle()

    async def settle(self) -> None:
        """Run all tasks that are ready."""
        for _ in range(150):
            await asyncio.sleep(0)

    async def step(self) -> None:
        """Run one random event, then advance the clock a little."""
        weights = {self.decide: 8, self.trade: 5, self.fault: 1, self.wait: 1}
        (act,) = self.random.choices(list(weights), list(weights.values()))
        await act()
        await self.settle()
        await self.clock.advance(self.random.choice((0.05, 0.2, 0.4)))
        await self.settle()
        await self.reap()

    async def decide(self) -> None:
        ticker = self.random.choice(TICKERS)
        await self.orders.publish_market(ticker)
        targets: list[Target] = []
        for side, make in ((BookSide.BID, bid), (BookSide.ASK, ask)):
            if self.random.random() < 0.6:
                targets.append(
                    make(
                        self.random.choice(PRICES),
                        self.random.randrange(100, 1500),
                        reduce_only=side is BookSide.ASK and self.random.random() < 0.3,
                    )
                )
        action = self.orders.action(
            *targets, ticker=ticker, omitted_sides=self.random.choice((OmittedSides.KEEP, OmittedSides.CANCEL))
        )  # fmt: skip
        for _ in range(self.random.choice((1, 1, 2))):
            await self.orders.send(action)

    async def trade(self) -> None:
        side = self.random.choice(tuple(BookSide))
        price_cc = 4200 if side is BookSide.ASK else 5800
        self.exchange.trade(self.random.choice(TICKERS), side, price_cc, self.random.randrange(50, 900))

    async def wait(self) -> None:
        """Let orders expire and unknown orders be resolved."""
        await self.pass_time(self.random.choice((1, 5, 25)))

    async def fault(self) -> None:
        kind = self.random.randrange(7)
        if kind == 0:
            self.exchange.lose_response("create_order")
        elif kind == 1:
            self.exchange.fail("create_order", OutcomeUnknown("the request was lost"))
        elif kind == 2 and self.exchange.connections:
            self.exchange.connections[-1].drop()
        elif kind == 3:
            self.exchange.muted_frames = set(self.random.sample(["fill", "user_order"], self.random.randrange(3)))
        elif kind == 4:
            self.exchange.views[Shown.DATA_TIME_US] = shifted(-self.random.choice((0, 3_000_000)))
        elif kind == 5:
            await self.kill(self.listener)
        else:
            await self.kill(self.executor)

    async def kill(self, running: Running | None) -> None:
        """Cancel a service at any point; the next step starts its successor."""
        if running is not None and not running.task.done():
            running.task.cancel()
            await asyncio.gather(running.task, return_exceptions=True)

    async def reap(self) -> None:
        """Replace services that ended; only a kill may have ended them."""
        for running in (self.listener, self.executor):
            if running is not None and running.task.done() and not running.task.cancelled():
                await running.killed()
        await self.start()

    async def wind_down(self) -> None:
        """Stop the faults, hold trading and wait until every order has a known outcome."""
        self.exchange.end_faults()
        await self.ledger.apply(Hold(name="wind_down", mode=Mode.HALTED, owner="test"))
        for _ in range(60):
            await self.pass_time(1)
            await self.reap()
            if not self.exchange.own(OrderStatus.RESTING) and not self.open_orders():
                break
        await self.pass_time(8)

    def open_orders(self) -> list[str]:
        return [order.order_id for market in self.ledger.ledger.view(None).markets for order in market.orders]

    async def close(self) -> None:
        for running in (self.executor, *self.account.started):
            if running is not None and not running.task.done():
                await running.stop()
