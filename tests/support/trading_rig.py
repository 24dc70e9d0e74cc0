"""Execution, fill listener and reconciler together on fakes, driven by a seed: actions, other people, faults, kills."""

from __future__ import annotations

import asyncio
import random

from support.account_rig import AccountRig
from support.execution_rig import Rig, Running, ask, bid, kill_at, until
from truebook.messages.actions import Target, Unmentioned
from truebook.messages.envelope import BookSide
from truebook.venue.account import OrderStatus
from truebook_services.execution.settings import ExecutionSettings

TICKERS = ("A", "B", "C")
PRICES = range(4200, 5900, 100)


class TradingRig:
    """The three services of the money path on one exchange, one ledger, one bus and one manual clock."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.account = AccountRig()
        self.orders = Rig(
            ExecutionSettings(tier="prestige", cancel_stale_s=1000, breaker_errors=1000),
            ledger=self.account.ledger, exchange=self.account.exchange, bus=self.account.bus,
            clock=self.account.manual,
        )  # fmt: skip
        self.exchange = self.account.exchange
        self.clock = self.account.manual
        self.ledger = self.account.ledger
        self.listener: Running | None = None
        self.executor: Running | None = None

    async def start(self) -> None:
        """Start all three and wait until trading may begin; whatever was killed before is replaced."""
        if self.listener is None or self.listener.task.done():
            self.listener = self.account.listen(crash=self._crash("settled"))
        if self.executor is None or self.executor.task.done():
            self.executor = self.orders.start(self._crash(self.random.choice(("reserved", "sent"))))

    async def open(self) -> None:
        await self.account.reconcile()
        await self.start()
        await self.pass_time(1)
        await until(lambda: "reconciliation" not in self.account.holds(), "trading may begin")
        for ticker in TICKERS:
            await self.orders.open_market(ticker, bids=((4000, 5_000),), asks=((6000, 5_000),))

    def _crash(self, label: str):
        """Kill at that label once in a while."""
        return kill_at(label) if self.random.random() < 0.2 else kill_at("never")

    async def pass_time(self, seconds: float) -> None:
        for _ in range(max(1, int(seconds * 2))):
            await self.clock.advance(0.5)
            await self.settle()

    async def settle(self) -> None:
        """Let everything that can happen now happen."""
        for _ in range(150):
            await asyncio.sleep(0)

    async def step(self) -> None:
        """One random thing, then a little time."""
        weights = {self.decide: 8, self.someone_trades: 5, self.fault: 1, self.wait: 1}
        (act,) = self.random.choices(list(weights), list(weights.values()))
        await act()
        await self.settle()
        await self.clock.advance(self.random.choice((0.05, 0.2, 0.4)))
        await self.settle()
        await self.reap()

    async def decide(self) -> None:
        ticker = self.random.choice(TICKERS)
        await self.orders.open_market_again(ticker)
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
            *targets, ticker=ticker, unmentioned=self.random.choice((Unmentioned.KEEP, Unmentioned.PULL))
        )  # fmt: skip
        for _ in range(self.random.choice((1, 1, 2))):
            await self.orders.send(action)

    async def someone_trades(self) -> None:
        side = self.random.choice(tuple(BookSide))
        price_cc = 4200 if side is BookSide.ASK else 5800
        self.exchange.trade(self.random.choice(TICKERS), side, price_cc, self.random.randrange(50, 900))

    async def wait(self) -> None:
        """Let orders expire and open intents be resolved."""
        await self.pass_time(self.random.choice((1, 5, 25)))

    async def fault(self) -> None:
        kind = self.random.randrange(7)
        if kind == 0:
            self.exchange.lost_answers += 1
        elif kind == 1:
            self.exchange.lost_requests += 1
        elif kind == 2 and self.account.connector.opened:
            self.account.connector.opened[-1].drop()
        elif kind == 3:
            self.exchange.untold = set(self.random.sample(["fill", "user_order"], self.random.randrange(3)))
        elif kind == 4:
            self.exchange.data_lag_us = self.random.choice((0, 3_000_000))
        elif kind == 5:
            await self.kill(self.listener)
        else:
            await self.kill(self.executor)

    async def kill(self, running: Running | None) -> None:
        """End a service in the middle of whatever it does; its successor comes with the next step."""
        if running is not None and not running.task.done():
            running.task.cancel()
            await asyncio.gather(running.task, return_exceptions=True)

    async def reap(self) -> None:
        """Replace what has died; only kills may have done that."""
        for running in (self.listener, self.executor):
            if running is not None and running.task.done() and not running.task.cancelled():
                await running.killed()
        await self.start()

    async def wind_down(self) -> None:
        """End as a run ends: no more faults, hold, wait until every order has a known end."""
        self.exchange.untold, self.exchange.data_lag_us = set(), 0
        self.exchange.lost_answers = self.exchange.lost_requests = 0
        await self.ledger.hold("wind_down", "halted", "test")
        for _ in range(60):
            await self.pass_time(1)
            await self.reap()
            if not self.exchange.own(OrderStatus.RESTING) and not self.open_orders():
                break
        await self.pass_time(8)

    def open_orders(self) -> list[str]:
        return [order.order_id for market in self.ledger.ledger.view(None).markets for order in market.orders]

    async def close(self) -> None:
        for running in (self.executor, *self.account.lives):
            if running is not None and not running.task.done():
                await running.stop()
