"""The exchange of the tests: the simulated exchange in memory, behind the ports of the REST client and of the stream.

One account uses it. Tests trade and quote as other accounts, and inject faults in one way for every call:

fail(call, *errors)      the next calls fail before anything is done ("connect" is the stream's)
lose_response(call)      the next call is executed, and its response is lost
before[call]             a coroutine function that runs first (slow calls, events that cross a call)
views[shown]             changes what reads show: stale, lagging, hidden or wrong data
odd_items[shown]         makes items of a list unreadable: returns what is left of one, None where it can be read
muted_frames             types of frames that no connection receives; ``withheld`` has them, for a late delivery
lose_frames(type)        the next frames of a type are lost, with their sequence numbers
alter_frame              changes each frame
ignored_commands         stream commands without a response

Nothing sleeps here. What is due is executed at the next call, or by ``advance``.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from support.in_memory_rest import InMemoryRest, Shown
from support.in_memory_stream import InMemoryConnection
from truebook.book.order_book import OrderBook
from truebook.clock import Clock
from truebook.kalshi.port import Connection, Connector, ExchangeError, OutcomeUnknown, SignedOrder
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, MarketStatus
from truebook.simulation.events import LevelChanged, SimulationEvent
from truebook.simulation.faults import FaultSchedule
from truebook.simulation.venue.account_book import AccountBook
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook.simulation.venue.matching import MatchingEngine
from truebook.simulation.venue.orders import Rejected
from truebook.simulation.venue.shard_plan import ShardPlan
from truebook.venue.account import (
    CreateResponse,
    ExchangeOrder,
    OrderRequest,
    OrderStatus,
    UnreadableItem,
)
from truebook_services.paper_exchange.engine.commands import Command, execute
from truebook_services.paper_exchange.engine.market_stats import StatsByMarket
from truebook_services.paper_exchange.faults import FaultInjector
from truebook_services.paper_exchange.listed import ListedState
from truebook_services.paper_exchange.stream.commands import COMMANDS
from truebook_services.paper_exchange.stream.hub import StreamHub
from truebook_services.paper_exchange.stream.session import StreamLimits
from truebook_services.paper_exchange.stream.subscriptions import ChannelSubscription, StreamChannel

ACCOUNT = "sim-main"
QUOTER = "trader:quoter"
HOUR_US = 3_600_000_000
ALL_COMMANDS = frozenset(COMMANDS)
Levels = Sequence[tuple[int, int]]
T = TypeVar("T")


def market_metadata(ticker: str = "T-1", **changes: Any) -> MarketMetadata:
    """A binary cent market that closes in the far future; its event is the ticker up to the last dash."""
    values: dict[str, Any] = {
        "ticker": ticker, "event": ticker.rpartition("-")[0], "series": ticker.partition("-")[0],
        "status": MarketStatus.ACTIVE, "open_us": 0, "close_us": 2**53 - 1, "price_ranges": LINEAR_CENT,
        "fee_type": FeeType.QUADRATIC, "fee_multiplier_ppm": 1_000_000, "exclusive": False, "volume_centi": 1_000,
    }  # fmt: skip
    return MarketMetadata(**(values | changes))


def without(*ids: str) -> Callable[[list[Any]], list[Any]]:
    """A view that hides orders (by exchange order id), fills (by trade id) or markets (by ticker)."""
    return lambda shown: [
        one
        for one in shown
        if not {getattr(one, name, None) for name in ("exchange_order_id", "trade_id", "ticker")} & set(ids)
    ]


def odd(one: Any) -> UnreadableItem:
    """What can still be read of any item: its market and ids."""
    return UnreadableItem(
        ticker=one.ticker, client_order_id=getattr(one, "client_order_id", None) or "",
        exchange_order_id=getattr(one, "exchange_order_id", ""), why="odd",
    )  # fmt: skip


def shifted(by: int) -> Callable[[int], int]:
    """A view of a time that is off by so many microseconds."""
    return lambda shown_us: shown_us + by


class InMemoryExchange(InMemoryRest, Connector):
    """See the module."""

    def __init__(
        self, clock: Clock, *, balance_micros: int = 1_000_000_000, settlement_delay_us: int = 2_000_000,
        shards: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._accounts = AccountBook(1, plan=ShardPlan.parse(shards))
        self.engine = SimulatedExchange(
            self._accounts, MatchingEngine(self._accounts), settlement_delay_us=settlement_delay_us
        )
        self.engine.open_account(ACCOUNT, balance_micros)
        super().__init__(self.engine, ACCOUNT, clock, clock.now_us)
        self.hub = StreamHub(
            self.engine.queries, StatsByMarket(self.engine), clock=clock, now_us=clock.now_us,
            faults=FaultInjector(FaultSchedule.parse((), start_us=0), 0, clock.now_us, ListedState(lambda _: 0)),
            drop_sockets=lambda: None, limits=StreamLimits(100_000), scheduled=lambda: None,
        )  # fmt: skip
        self.calls: list[tuple[str, Any]] = []
        """Every call with its subject, in order."""
        self.posted: list[str] = []
        """Client order ids in the order of sending, those of lost requests included."""
        self.connections: list[ExchangeConnection] = []
        """Every connection that was opened, in order."""
        self.before: dict[str, Callable[[Any], Awaitable[None]]] = {}
        self.views: dict[Shown, Callable[[Any], Any]] = {}
        self.odd_items: dict[Shown, Callable[[Any], UnreadableItem | None]] = {}
        self.muted_frames: set[str] = set()
        self.alter_frame: Callable[[dict[str, Any]], dict[str, Any]] | None = None
        self.ignored_commands: frozenset[str] = frozenset()
        self.frames_to_lose: Counter[str] = Counter()
        self._failures: dict[str, deque[Exception]] = {}
        self._responses_to_lose: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self._quotes: dict[tuple[str, BookSide, int], list[str]] = {}

    # Faults

    def fail(self, call: str, *errors: Exception) -> None:
        self._failures.setdefault(call, deque()).extend(errors)

    def lose_response(self, call: str) -> None:
        self._responses_to_lose[call] += 1

    def lose_frames(self, kind: str, count: int = 1) -> None:
        self.frames_to_lose[kind] += count

    def end_faults(self) -> None:
        """Remove all faults, except those of calls that have begun."""
        for faults in (
            self._failures, self._responses_to_lose, self.before, self.views, self.odd_items, self.frames_to_lose,
        ):  # fmt: skip
            faults.clear()
        self.muted_frames = set()
        self.alter_frame = None
        self.ignored_commands = frozenset()

    def count(self, call: str) -> int:
        return sum(name == call for name, _ in self.calls)

    # Markets, and other accounts

    def add_market(self, ticker: str, **changes: Any) -> MarketMetadata:
        """List a market that is open for an hour."""
        now_us = self._exchange_now_us()
        defaults = {"event": f"E-{ticker}", "open_us": now_us - HOUR_US, "close_us": now_us + HOUR_US}
        return self.list_market(market_metadata(ticker, **{"volume_centi": 0, **defaults, **changes}))

    def list_market(self, metadata: MarketMetadata, bids: Levels = (), asks: Levels = ()) -> MarketMetadata:
        """List a market with quotes of another account; or, if it is listed, change its metadata unannounced."""
        record = self._accounts.markets.get(metadata.ticker)
        if record is None:
            self.publish(self.engine.lifecycle.add_market(metadata, self._exchange_now_us()))
            record = self._accounts.markets[metadata.ticker]
        record.replace_metadata(metadata)
        record.volume_centi = metadata.volume_centi
        for side, levels in ((BookSide.BID, bids), (BookSide.ASK, asks)):
            for price_cc, size_centi in levels:
                self.change_level(metadata.ticker, side, price_cc, size_centi)
        return metadata

    def change_level(self, ticker: str, side: BookSide, price_cc: int, delta_centi: int) -> None:
        """Change a level by quotes of another account: place an order, or reduce those at the level."""
        placed = self._quotes.setdefault((ticker, side, price_cc), [])
        if delta_centi > 0:
            placed.append(self._place(QUOTER, self._request(ticker, side, price_cc, delta_centi)).exchange_order_id)
            return
        while delta_centi:
            order = self._accounts.find(QUOTER, placed[-1])
            if order is None:
                placed.pop()
                continue
            by_centi = min(-delta_centi, order.remaining_centi)
            result, events = self.engine.decrease(QUOTER, placed[-1], self._exchange_now_us(), by_centi=by_centi)
            assert not isinstance(result, Rejected), result
            self.publish(events)
            delta_centi += by_centi

    def trade(self, ticker: str, side: BookSide, price_cc: int, size_centi: int, *, rest: bool = False) -> None:
        """Send an order of another account: it takes what crosses; the remainder rests only with ``rest``."""
        time_in_force = TimeInForce.GOOD_TILL_CANCELED if rest else TimeInForce.IMMEDIATE_OR_CANCEL
        request = self._request(ticker, side, price_cc, size_centi, time_in_force=time_in_force)
        self._place(f"trader:{request.client_order_id}", request)

    def place_by_hand(self, request: OrderRequest) -> str:
        """Place a foreign order: of our account, but not through the service."""
        return self._place(ACCOUNT, request).exchange_order_id

    def determine(self, ticker: str, settlement_cc: int) -> None:
        self.publish(self.engine.lifecycle.determine(ticker, settlement_cc, self._exchange_now_us()))

    def advance(self) -> None:
        """Execute what is due by the clock's time."""
        self.publish(self.engine.advance(self._exchange_now_us()))

    def publish(self, events: Sequence[SimulationEvent]) -> None:
        """Send events of the engine to the connections."""
        self.hub.publish(events)

    def push_delta(self, ticker: str, side: BookSide, price_cc: int, delta_centi: int) -> None:
        """Send the frame of a change that did not happen."""
        change = LevelChanged(
            at_us=self._exchange_now_us(), ticker=ticker, book_side=side, price_cc=price_cc, delta_centi=delta_centi,
            clock=1,
        )  # fmt: skip
        self.publish([change])

    def client(self, clock: Clock) -> InMemoryExchange:
        """Return another client of this exchange, on a machine with that clock."""
        other = copy.copy(self)
        other._clock = clock
        return other

    def own(self, status: OrderStatus | None = None) -> list[ExchangeOrder]:
        return self.engine.queries.orders(ACCOUNT, status=status)

    def true_book(self, ticker: str) -> OrderBook:
        return self.engine.queries.book(ticker)

    def _request(self, ticker: str, side: BookSide, price_cc: int, size_centi: int, **more: Any) -> OrderRequest:
        return OrderRequest(
            ticker=ticker, client_order_id=str(next(self._numbers)), book_side=side, price_cc=price_cc,
            size_centi=size_centi, **more,
        )  # fmt: skip

    def _place(self, account: str, request: OrderRequest) -> CreateResponse:
        response, events = self.engine.place(account, request, self._exchange_now_us())
        assert isinstance(response, CreateResponse), response
        self.publish(events)
        return response

    # The ports

    async def create_order(self, order: SignedOrder, timeout_s: float) -> CreateResponse:
        self.posted.append(order.request.client_order_id)
        return await super().create_order(order, timeout_s)

    def clear_metadata_cache(self) -> None:
        self.calls.append(("clear_metadata_cache", None))

    async def connect(self) -> Connection:
        await self._begin("connect", None)
        connection = ExchangeConnection(self)
        self.connections.append(connection)
        return connection

    async def _begin(self, call: str, subject: Any) -> None:
        self.calls.append((call, subject))
        if call in self.before:
            await self.before[call](subject)
        self.advance()
        if self._failures.get(call):
            raise self._failures[call].popleft()

    async def _read(self, call: str, subject: Any, read: Callable[[], T]) -> T:
        await self._begin(call, subject)
        return read()

    async def _write(self, call: str, subject: Any, execute: Callable[[], Awaitable[T]], timeout_s: float) -> T:
        await self._begin(call, subject)
        if not self._responses_to_lose[call]:
            return await execute()
        self._responses_to_lose[call] -= 1
        with contextlib.suppress(ExchangeError):
            await execute()
        raise OutcomeUnknown("the response was lost")

    async def _submit(self, command: Command, cost: int) -> Any:
        result, events = execute(self.engine, command, self._exchange_now_us())
        self.publish(events)
        return result

    def _shown(self, what: Shown) -> Any:
        shown = super()._shown(what)
        if what in self.odd_items:
            shown = [one for one in shown if self.odd_items[what](one) is None]
        return self.views[what](shown) if what in self.views else shown

    def _unreadable(self, what: Shown) -> Sequence[UnreadableItem]:
        if what not in self.odd_items:
            return ()
        return tuple([odd for one in super()._shown(what) if (odd := self.odd_items[what](one)) is not None])


def exchange_with(books: Mapping[str, tuple[Levels, Levels]], clock: Clock, **options: Any) -> InMemoryExchange:
    """An exchange with open markets: (bids, asks) by ticker, best first."""
    exchange = InMemoryExchange(clock, **options)
    for ticker, (bids, asks) in books.items():
        exchange.list_market(market_metadata(ticker), bids, asks)
    return exchange


class ExchangeConnection(InMemoryConnection):
    """A connection whose frames and commands tests record, change and inject."""

    def __init__(self, exchange: InMemoryExchange) -> None:
        self.sent: list[dict[str, Any]] = []
        """The commands, in order."""
        self.received: list[str] = []
        """The frames of the exchange that were delivered, in order."""
        self.withheld: list[str] = []
        """The frames that were muted or lost, in order."""
        self._exchange = exchange
        super().__init__(exchange.hub, ACCOUNT)

    def commands(self, action: str) -> list[dict[str, Any]]:
        """Return the parameters of the commands of that name or action."""
        return [
            command["params"] for command in self.sent if action in (command["cmd"], command["params"].get("action"))
        ]

    def push(self, frame: dict[str, Any], channel: StreamChannel | None = None) -> None:
        """Deliver a frame of the test; with a channel it gets the subscription's id and next sequence number."""
        if channel is not None:
            frame = {**frame, "sid": self.sid(channel), "seq": self.next_seq(channel)}
        self.deliver(_encoded(frame))

    def sid(self, channel: StreamChannel) -> int:
        return self._subscription(channel).sid

    def next_seq(self, channel: StreamChannel) -> int:
        return self._subscription(channel).next_seq()

    def is_read(self) -> bool:
        """Return whether the client has received every frame."""
        return not self._arrived

    def _subscription(self, channel: StreamChannel) -> ChannelSubscription:
        subscription = self._session.subscriptions.of(channel)
        assert subscription is not None, f"no subscription to {channel}"
        return subscription

    def _forward(self, text: str) -> None:
        try:
            command = msgspec.json.decode(text)
        except msgspec.DecodeError:
            command = {"cmd": text}
        self.sent.append(command)
        if command["cmd"] not in self._exchange.ignored_commands:
            super()._forward(text)

    def _flush(self) -> None:
        for text in self._taken():
            if self._is_lost(text.split('"', 4)[3]):
                self.withheld.append(text)
                continue
            if self._exchange.alter_frame is not None:
                text = _encoded(self._exchange.alter_frame(msgspec.json.decode(text)))
            self.received.append(text)
            self.deliver(text)

    def _is_lost(self, kind: str) -> bool:
        if kind in self._exchange.muted_frames:
            return True
        if not self._exchange.frames_to_lose[kind]:
            return False
        self._exchange.frames_to_lose[kind] -= 1
        return True


def _encoded(frame: dict[str, Any]) -> str:
    return msgspec.json.encode(frame).decode() + "\n"
