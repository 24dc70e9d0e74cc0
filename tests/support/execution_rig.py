"""Execution as a whole on fakes: a manual clock, the in-process bus, the ledger's rules, the simulated exchange."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import msgspec
import structlog

from support.fakes_exchange import FakeExchange
from truebook.bus.memory import MemoryBus
from truebook.clock import Clock, ManualClock
from truebook.ledger.facts import book_fill, book_order
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import LedgerStore, OrderView
from truebook.messages.actions import Action, Target, Unmentioned
from truebook.messages.codec import decode, encode
from truebook.messages.envelope import BookSide, Message, Source
from truebook.messages.facts import MarketFacts
from truebook.messages.ids import client_order_id, digest
from truebook.messages.markets import Market
from truebook.messages.orderbook import BookSnapshot, BookStale
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.reasons import Reason
from truebook.messages.topics import ACTIONS, FILLS, MARKETS, ORDERBOOK, ORDERS, Topic
from truebook.runtime.context import Context, no_crash
from truebook.runtime.frames import Service
from truebook.runtime.metrics import Metrics
from truebook.venue.account import OrderRequest
from truebook_services.execution.service import build
from truebook_services.execution.settings import ExecutionSettings

Levels = Sequence[tuple[int, int]]
BIDS: Levels = ((4000, 10_000),)
ASKS: Levels = ((6000, 10_000),)


class Killed(BaseException):
    """Raised at a crash point: no handler of the service may catch it."""


class RecordingBus(MemoryBus):
    """Keeps what was published on ``orders`` and ``fills``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.published: dict[str, list[Message]] = {}

    async def publish(self, topic: Topic, key: str, value: bytes) -> None:
        if topic in (ORDERS, FILLS):
            self.published.setdefault(topic.name, []).append(decode(topic, value))
        await super().publish(topic, key, value)

    def of(self, topic: Topic) -> list[Any]:
        return self.published.get(topic.name, [])


def make_context(
    service: str,
    clock: Clock,
    bus: MemoryBus,
    *,
    source: Source = Source.SIMULATED,
    crash: Callable[[str], None] = no_crash,
    account: str = "sim-main",
) -> Context:
    return Context(
        service=service, account=account, strategy="main", source=source, clock=clock, bus=bus,
        metrics=Metrics(service), log=structlog.get_logger(service), crash=crash,
    )  # fmt: skip


async def until(is_so: Callable[[], Any], what: str, within_s: float = 5.0) -> None:
    """Let the loop run until ``is_so``; fails naming ``what`` after ``within_s`` of real time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while not is_so():
        assert loop.time() < end, f"waited {within_s} s in vain for: {what}"
        await asyncio.sleep(0.001)


def kill_at(label: str) -> Callable[[str], None]:
    """A crash point that kills at the first ``label``."""

    def crash(passed: str) -> None:
        if passed == label:
            raise Killed(label)

    return crash


class Running:
    """A service that runs in the background; leaves either by a graceful stop or by a kill."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._stop = asyncio.Event()
        self.task = asyncio.create_task(service.run(self._stop), name=service.name)

    async def stop(self) -> None:
        self._stop.set()
        await self.task

    async def killed(self) -> None:
        """Wait until a crash point has ended the service."""
        try:
            async with asyncio.timeout(5):
                await self.task
        except BaseExceptionGroup as group:
            killed, rest = group.split(Killed)
            assert killed is not None and rest is None, group
        except Killed:
            pass
        else:
            raise AssertionError("the service was not killed")


class Rig:
    """One execution service with its surroundings; everything that tests need is an attribute."""

    def __init__(
        self,
        settings: ExecutionSettings | None = None,
        *,
        ledger: MemoryStore | None = None,
        exchange: FakeExchange | None = None,
        bus: RecordingBus | None = None,
        clock: ManualClock | None = None,
        source: Source = Source.SIMULATED,
        store: LedgerStore | None = None,
    ) -> None:
        self.clock = clock or ManualClock()
        self.settings = settings or ExecutionSettings(tier="prestige")
        self.ledger = ledger or MemoryStore("rig")
        self.store: LedgerStore = store or self.ledger
        self.exchange = exchange or FakeExchange(self.clock)
        self.bus = bus or RecordingBus(partitions=2)
        self.source = source
        self.running: Running | None = None
        self._numbers = itertools.count(1)
        self._versions: dict[str, int] = {}

    async def __aenter__(self) -> Rig:
        await self.ledger.open_account(1_000_000_000, ())
        self.start()
        await until(lambda: not self.service.not_ready(), "execution is ready")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.running is not None and not self.running.task.done():
            await self.running.stop()

    def start(self, crash: Callable[[str], None] = no_crash) -> Running:
        """Start a new life of the service."""
        context = make_context("execution", self.clock, self.bus, source=self.source, crash=crash)
        self.service = build(context, self.settings, rest=self.exchange, ledger=self.store)
        self.running = Running(self.service)
        return self.running

    # What the others publish

    async def open_market(
        self, ticker: str = "M", *, bids: Levels = BIDS, asks: Levels = ASKS, known: bool = True, **facts: Any
    ) -> MarketFacts:
        """Open a market at the exchange, with other people's quotes, and tell of it on the bus."""
        told = self.exchange.add_market(ticker)
        for price_cc, size_centi in bids:
            self.exchange.trade(ticker, BookSide.BID, price_cc, size_centi, rest=True)
        for price_cc, size_centi in asks:
            self.exchange.trade(ticker, BookSide.ASK, price_cc, size_centi, rest=True)
        told = self.exchange.engine.market(ticker) or told
        if known:
            await self.tell_facts(told, **facts)
        await self.snapshot(ticker, bids=bids, asks=asks)
        return told

    async def open_market_again(self, ticker: str) -> None:
        """Tell a new life of the service of a market that is open already."""
        told = self.exchange.engine.market(ticker)
        assert told is not None
        await self.tell_facts(told)
        await self.snapshot(ticker)

    async def tell_facts(self, told: MarketFacts, **facts: Any) -> None:
        changed = msgspec.structs.replace(told, **facts)
        await self._publish(MARKETS, Market(**self._envelope(told.ticker), facts=changed, chosen=True))

    async def snapshot(self, ticker: str = "M", *, bids: Levels = BIDS, asks: Levels = ASKS, age_s: float = 0) -> None:
        await self._publish(ORDERBOOK, BookSnapshot(**self._book(ticker, age_s), bids=tuple(bids), asks=tuple(asks)))

    async def mark_stale(self, ticker: str = "M") -> None:
        await self._publish(ORDERBOOK, BookStale(**self._book(ticker, 0), reason=Reason.SEQUENCE_GAP))

    def action(self, *targets: Target, ticker: str = "M", deadline_s: float = 5, **changed: Any) -> Action:
        """A decision that no other one equals."""
        number = next(self._numbers)
        values: dict[str, Any] = {
            **self._envelope(ticker), "id": digest("action", number), "source": Source.SIMULATED,
            "observation_id": digest("observation", number), "model": "test", "targets": targets,
            "unmentioned": Unmentioned.KEEP, "deadline_us": self.clock.now_us() + int(deadline_s * 1e6),
            "confirmed_us": self.clock.now_us(), "frame_us": self.clock.monotonic_us() - 1_500, "reference_cc": 5000,
            "edge_cc": 100, "event": f"E-{ticker}", "exclusive": False, "fee_rate_ppm": 70_000,
        }  # fmt: skip
        return Action(**(values | changed))

    async def send(self, action: Action) -> Action:
        await self._publish(ACTIONS, action)
        return action

    async def do(self, *targets: Target, ticker: str = "M", **changed: Any) -> list[OrderEvent]:
        """Send an action and wait until each of its targets has its event; answers those events."""
        action = await self.send(self.action(*targets, ticker=ticker, **changed))
        return await self.outcome(action)

    async def outcome(self, action: Action) -> list[OrderEvent]:
        """Wait until every target of an action has an event beyond ``sent``."""

        def settled() -> bool:
            done = {event.book_side for event in self.events(action) if event.outcome is not OrderOutcome.SENT}
            return {target.book_side for target in action.targets} <= done

        await until(settled, f"an outcome of each target, have {self.events(action)}")
        return self.events(action)

    # What came of it

    def events(self, action: Action | None = None) -> list[OrderEvent]:
        """All order events, or those that an action caused."""
        events: list[OrderEvent] = self.bus.of(ORDERS)
        return [event for event in events if action is None or event.action_id == action.id]

    async def order(self, action: Action, side: BookSide) -> OrderView:
        found = await self.ledger.order(client_order_id(action.id, side))
        assert found is not None
        return found

    async def open_orders(self, ticker: str = "M") -> list[OrderView]:
        market = (await self.ledger.view((ticker,))).market(ticker)
        return list(market.orders) if market is not None else []

    async def hold_position(self, centi: int, ticker: str = "M", price_cc: int = 5000) -> None:
        """Give the account a position at the exchange and in the ledger, past execution."""
        side = BookSide.BID if centi > 0 else BookSide.ASK
        self.exchange.trade(ticker, side.other, price_cc, abs(centi), rest=True)
        exchange_id = self.exchange.place_by_hand(
            OrderRequest(
                ticker=ticker,
                client_order_id=f"hand-{next(self._numbers)}",
                book_side=side,
                price_cc=price_cc,
                size_centi=abs(centi),
            )
        )
        placed = self.exchange.engine.order("sim-main", exchange_id)
        assert placed is not None
        await book_order(self.ledger, self.clock, placed, 0)
        for fill in await self.exchange.fills(exchange_order_id=exchange_id):
            assert await book_fill(self.ledger, self.clock, fill, 0) == "applied"

    def _envelope(self, ticker: str) -> dict[str, Any]:
        now_us = self.clock.now_us()
        return {
            "id": digest(ticker, next(self._numbers)), "cause_id": "", "account": "sim-main", "strategy": "main",
            "ticker": ticker, "source": self.source, "exchange_us": now_us, "produced_us": now_us,
        }  # fmt: skip

    def _book(self, ticker: str, age_s: float) -> dict[str, Any]:
        version = self._versions[ticker] = self._versions.get(ticker, 0) + 1
        confirmed_us = self.clock.now_us() - int(age_s * 1e6)
        return {**self._envelope(ticker), "epoch": 1, "version": version, "confirmed_us": confirmed_us, "frame_us": 1}

    async def _publish(self, topic: Topic, message: Message) -> None:
        await self.bus.publish(topic, message.ticker, encode(message))


def bid(price_cc: int = 4000, size_centi: int = 1000, **changed: Any) -> Target:
    return Target(book_side=BookSide.BID, price_cc=price_cc, size_centi=size_centi, **changed)


def ask(price_cc: int = 6000, size_centi: int = 1000, **changed: Any) -> Target:
    return Target(book_side=BookSide.ASK, price_cc=price_cc, size_centi=size_centi, **changed)
