"""The whole execution service on fakes: manual clock, in-process bus, in-memory ledger, simulated exchange."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import msgspec

from support.in_memory_exchange import InMemoryExchange
from support.services import Running, make_context, until
from truebook.bus.memory.bus import MemoryBus
from truebook.clock import ManualClock
from truebook.ledger.exchange_reports import record_fill, record_order
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import LedgerStore, OrderView
from truebook.ledger.verbs import OpenAccount
from truebook.messages.actions import Action, OmittedSides, Target
from truebook.messages.book_states import BookState
from truebook.messages.codec import decode, encode
from truebook.messages.envelope import BookSide, Message, Source
from truebook.messages.ids import client_order_id, digest
from truebook.messages.market_metadata import MarketMetadata
from truebook.messages.markets import MarketUpdated
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.reasons import Reason
from truebook.messages.topics import ACCOUNT, ACTIONS, BOOK_STATES, FILLS, MARKETS, ORDERS, Topic
from truebook.runtime.context import no_crash
from truebook.venue.account import OrderRequest
from truebook_services.execution.service import build
from truebook_services.execution.settings import ExecutionSettings

Levels = Sequence[tuple[int, int]]
BIDS: Levels = ((4000, 10_000),)
ASKS: Levels = ((6000, 10_000),)


class RecordingBus(MemoryBus):
    """Keeps what was published on ``orders``, ``fills`` and ``account``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.published: dict[str, list[Message]] = {}

    async def publish(self, topic: Topic, key: str, value: bytes) -> None:
        if topic in (ORDERS, FILLS, ACCOUNT):
            self.published.setdefault(topic.name, []).append(decode(topic, value))
        await super().publish(topic, key, value)

    def of(self, topic: Topic) -> list[Any]:
        return self.published.get(topic.name, [])


class ExecutionHarness:
    """One execution service with its dependencies, each of them an attribute."""

    def __init__(
        self,
        settings: ExecutionSettings | None = None,
        *,
        ledger: MemoryStore | None = None,
        exchange: InMemoryExchange | None = None,
        bus: RecordingBus | None = None,
        clock: ManualClock | None = None,
        source: Source = Source.SIMULATED,
        store: LedgerStore | None = None,
    ) -> None:
        self.clock = clock or ManualClock()
        self.settings = settings or ExecutionSettings(tier="prestige")
        self.ledger = ledger or MemoryStore("execution")
        self.store: LedgerStore = store or self.ledger
        self.exchange = exchange or InMemoryExchange(self.clock)
        self.bus = bus or RecordingBus(partitions=2)
        self.source = source
        self.running: Running | None = None
        self._numbers = itertools.count(1)
        self._versions: dict[str, int] = {}
        self._best: dict[str, tuple[int | None, int | None]] = {}

    async def __aenter__(self) -> ExecutionHarness:
        await self.ledger.apply(OpenAccount(balance_micros=1_000_000_000))
        self.start()
        await until(lambda: not self.service.not_ready(), "execution is ready")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.running is not None and not self.running.task.done():
            await self.running.stop()

    def start(self, crash: Callable[[str], None] = no_crash) -> Running:
        """Start a new instance of the service."""
        context = make_context("execution", self.clock, self.bus, source=self.source, crash=crash)
        self.service = build(context, self.settings, rest=self.exchange, ledger=self.store)
        self.running = Running(self.service)
        return self.running

    # What other services publish

    async def open_market(
        self, ticker: str = "M", *, bids: Levels = BIDS, asks: Levels = ASKS, publish: bool = True, **metadata: Any
    ) -> MarketMetadata:
        """Open a market at the exchange with quotes of other accounts; publish its metadata and book."""
        self.exchange.add_market(ticker)
        for price_cc, size_centi in bids:
            self.exchange.trade(ticker, BookSide.BID, price_cc, size_centi, rest=True)
        for price_cc, size_centi in asks:
            self.exchange.trade(ticker, BookSide.ASK, price_cc, size_centi, rest=True)
        market = self.exchange.engine.queries.market(ticker)
        assert market is not None
        if publish:
            await self.publish_metadata(market, **metadata)
        await self.snapshot(ticker, bids=bids, asks=asks)
        return market

    async def publish_market(self, ticker: str) -> None:
        """Publish an open market's metadata and book again, for a new instance of the service."""
        market = self.exchange.engine.queries.market(ticker)
        assert market is not None
        await self.publish_metadata(market)
        await self.snapshot(ticker)

    async def publish_metadata(self, market: MarketMetadata, **changes: Any) -> None:
        changed = msgspec.structs.replace(market, **changes)
        await self._publish(MARKETS, MarketUpdated(**self._envelope(market.ticker), metadata=changed, selected=True))

    async def snapshot(self, ticker: str = "M", *, bids: Levels = BIDS, asks: Levels = ASKS, age_s: float = 0) -> None:
        """Publish that a book is fresh; actions are decided on these levels from now on."""
        self._best[ticker] = (bids[0][0] if bids else None, asks[0][0] if asks else None)
        await self._publish(BOOK_STATES, BookState(**self._state(ticker, age_s), stale=None))

    async def mark_stale(self, ticker: str = "M") -> None:
        await self._publish(BOOK_STATES, BookState(**self._state(ticker, 0), stale=Reason.SEQUENCE_GAP))

    def action(self, *targets: Target, ticker: str = "M", deadline_s: float = 5, **changed: Any) -> Action:
        """Make an action with ids of its own."""
        number = next(self._numbers)
        best_bid_cc, best_ask_cc = self._best.get(ticker, (None, None))
        values: dict[str, Any] = {
            **self._envelope(ticker), "id": digest("action", number), "source": Source.SIMULATED,
            "observation_id": digest("observation", number), "model": "test", "targets": targets,
            "omitted_sides": OmittedSides.KEEP, "deadline_us": self.clock.now_us() + int(deadline_s * 1e6),
            "confirmed_us": self.clock.now_us(), "frame_us": self.clock.monotonic_us() - 1_500, "reference_cc": 5000,
            "best_bid_cc": best_bid_cc, "best_ask_cc": best_ask_cc, "edge_cc": 100, "event": f"E-{ticker}",
            "exclusive": False, "fee_rate_ppm": 70_000,
        }  # fmt: skip
        return Action(**(values | changed))

    async def send(self, action: Action) -> Action:
        await self._publish(ACTIONS, action)
        return action

    async def do(self, *targets: Target, ticker: str = "M", **changed: Any) -> list[OrderEvent]:
        """Send an action, wait until each target has its event, and return the events."""
        action = await self.send(self.action(*targets, ticker=ticker, **changed))
        return await self.outcome(action)

    async def outcome(self, action: Action) -> list[OrderEvent]:
        """Wait until every target of an action has an event other than ``sent``."""

        def settled() -> bool:
            done = {event.book_side for event in self.events(action) if event.outcome is not OrderOutcome.SENT}
            return {target.book_side for target in action.targets} <= done

        await until(settled, f"an outcome of each target, have {self.events(action)}")
        return self.events(action)

    # Results

    def events(self, action: Action | None = None) -> list[OrderEvent]:
        """Return all order events, or those of one action."""
        events: list[OrderEvent] = self.bus.of(ORDERS)
        return [event for event in events if action is None or event.action_id == action.id]

    async def order(self, action: Action, side: BookSide) -> OrderView:
        found = await self.ledger.order(client_order_id(self.ledger.ledger_id, action.id, side))
        assert found is not None
        return found

    async def open_orders(self, ticker: str = "M") -> list[OrderView]:
        market = (await self.ledger.view((ticker,))).market(ticker)
        return list(market.orders) if market is not None else []

    async def add_position(self, centi: int, ticker: str = "M", price_cc: int = 5000) -> None:
        """Give the account a position at the exchange and in the ledger, without execution."""
        side = BookSide.BID if centi > 0 else BookSide.ASK
        self.exchange.trade(ticker, side.other, price_cc, abs(centi), rest=True)
        exchange_id = self.exchange.place_by_hand(
            OrderRequest(
                ticker=ticker,
                client_order_id=f"manual-{next(self._numbers)}",
                book_side=side,
                price_cc=price_cc,
                size_centi=abs(centi),
            )
        )
        placed = self.exchange.engine.queries.order("sim-main", exchange_id)
        assert placed is not None
        await record_order(self.ledger, self.clock, placed, 0)
        for fill in await self.exchange.fills(exchange_order_id=exchange_id):
            assert await record_fill(self.ledger, self.clock, fill, 0) == "applied"

    def _envelope(self, ticker: str) -> dict[str, Any]:
        now_us = self.clock.now_us()
        return {
            "id": digest(ticker, next(self._numbers)), "cause_id": "", "account": "sim-main", "strategy": "main",
            "ticker": ticker, "source": self.source, "exchange_us": now_us, "produced_us": now_us,
        }  # fmt: skip

    def _state(self, ticker: str, age_s: float) -> dict[str, Any]:
        version = self._versions[ticker] = self._versions.get(ticker, 0) + 1
        confirmed_us = self.clock.now_us() - int(age_s * 1e6)
        return {**self._envelope(ticker), "epoch": 1, "version": version, "confirmed_us": confirmed_us}

    async def _publish(self, topic: Topic, message: Message) -> None:
        await self.bus.publish(topic, message.ticker, encode(message))


def bid(price_cc: int = 4000, size_centi: int = 1000, **changed: Any) -> Target:
    return Target(book_side=BookSide.BID, price_cc=price_cc, size_centi=size_centi, **changed)


def ask(price_cc: int = 6000, size_centi: int = 1000, **changed: Any) -> Target:
    return Target(book_side=BookSide.ASK, price_cc=price_cc, size_centi=size_centi, **changed)
