"""An exchange's market data in memory: a WebSocket that answers commands as Kalshi's does, and its REST market reads.

``FakeFeed`` keeps the true books, numbers frames per subscription and can misbehave on demand. Nothing sleeps here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import structlog

from truebook.book.order_book import OrderBook
from truebook.book.replica import BookReplica
from truebook.bus.memory import MemoryBus
from truebook.bus.port import Bus, BusConsumer
from truebook.clock import Clock, SystemClock
from truebook.kalshi.port import Connection, Connector, NotFound, RestBook, RestClient, StreamClosed
from truebook.ledger.memory_store import MemoryStore
from truebook.messages.codec import decode
from truebook.messages.envelope import BookSide, Message, Source
from truebook.messages.facts import LINEAR_CENT, FeeType, MarketFacts, MarketStatus
from truebook.messages.orderbook import BookMessage
from truebook.messages.topics import ORDERBOOK, Topic
from truebook.money import ONE_DOLLAR_CC, format_price, format_size
from truebook.runtime.context import Context
from truebook.runtime.frames import Service
from truebook.runtime.metrics import Metrics

Levels = Sequence[tuple[int, int]]
HOUR_US = 3_600_000_000


def facts(ticker: str = "T-1", **changed: Any) -> MarketFacts:
    """A binary cent market of the event before the last dash, that closes in the far future."""
    values: dict[str, Any] = {
        "ticker": ticker, "event": ticker.rpartition("-")[0], "series": ticker.partition("-")[0],
        "status": MarketStatus.ACTIVE, "open_us": 0, "close_us": 2**53 - 1, "price_ranges": LINEAR_CENT,
        "fee_type": FeeType.QUADRATIC, "fee_multiplier_ppm": 1_000_000, "exclusive": False, "volume_centi": 1_000,
    }  # fmt: skip
    return MarketFacts(**(values | changed))


def context(
    service: str, *, clock: Clock | None = None, bus: Bus | None = None, source: Source = Source.SIMULATED
) -> Context:
    return Context(
        service=service, account="sim-main", strategy="main", source=source, clock=clock or SystemClock(),
        bus=bus if bus is not None else MemoryBus(), metrics=Metrics(service), log=structlog.get_logger(),
    )  # fmt: skip


async def opened_ledger(balance_micros: int = 1_000_000_000) -> MemoryStore:
    """A ledger with cash and nothing else."""
    ledger = MemoryStore("test")
    await ledger.open_account(balance_micros, ())
    return ledger


async def wait_for(is_so: Callable[[], Any], what: str, within_s: float = 5.0) -> None:
    """Let the loop run until ``is_so``; fails naming ``what`` after ``within_s`` of real time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while not is_so():
        assert loop.time() < until, f"waited {within_s} s in vain for: {what}"
        await asyncio.sleep(0.001)


class FakeConnection(Connection):
    """One connection; what the feed puts here is received, in order."""

    def __init__(self, feed: FakeFeed) -> None:
        self.feed = feed
        self.sent: list[dict[str, Any]] = []
        self.inbox: asyncio.Queue[str | None] = asyncio.Queue()
        self.channels: dict[str, int] = {}
        self.seqs: dict[int, int] = {}
        self.tickers: dict[str, set[str]] = {}
        self.is_open = True

    async def send(self, text: str) -> None:
        if not self.is_open:
            raise StreamClosed("closed")
        command = msgspec.json.decode(text)
        self.sent.append(command)
        if not self.feed.is_mute:
            self.feed.answer(self, command)

    async def receive(self) -> str:
        text = await self.inbox.get()
        if text is None:
            self.inbox.put_nowait(None)
            raise StreamClosed("the other side has gone")
        return text

    async def close(self) -> None:
        self.drop()

    def drop(self) -> None:
        self.is_open = False
        self.inbox.put_nowait(None)

    def push(self, frame: dict[str, Any], *, channel: str | None = None) -> None:
        """Deliver a frame; on a numbered channel it gets the next number."""
        if channel is not None:
            sid = self.channels[channel]
            frame = {**frame, "sid": sid, "seq": self.next_seq(sid)}
        self.inbox.put_nowait(msgspec.json.encode(frame).decode() + "\n")

    def next_seq(self, sid: int) -> int:
        self.seqs[sid] = self.seqs.get(sid, 0) + 1
        return self.seqs[sid]

    def commands(self, action: str) -> list[dict[str, Any]]:
        return [
            command["params"] for command in self.sent if action in (command["cmd"], command["params"].get("action"))
        ]


class FakeFeed(Connector):
    """The exchange behind the connections: the true books and the commands."""

    def __init__(self, books: dict[str, tuple[Levels, Levels]] | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.books = {ticker: OrderBook(bids, asks) for ticker, (bids, asks) in (books or {}).items()}
        self.connections: list[FakeConnection] = []
        self.is_mute = False
        self.trades = 0
        self.snapshots: Callable[[FakeConnection, Sequence[str]], None] = self.true_snapshots

    @property
    def now(self) -> FakeConnection:
        return self.connections[-1]

    async def connect(self) -> Connection:
        connection = FakeConnection(self)
        self.connections.append(connection)
        return connection

    def answer(self, connection: FakeConnection, command: dict[str, Any]) -> None:
        params = command["params"]
        tickers = params.get("market_tickers", [])
        if command["cmd"] == "subscribe":
            for channel in params["channels"]:
                sid = connection.channels.setdefault(channel, len(connection.channels) + 1)
                connection.tickers[channel] = set(tickers)
                connection.push({"type": "subscribed", "id": command["id"], "msg": {"channel": channel, "sid": sid}})
            if "orderbook_delta" in params["channels"]:
                self.snapshots(connection, tickers)
            return
        channel = next(name for name, sid in connection.channels.items() if sid == params["sids"][0])
        if params["action"] == "get_snapshot":
            self.snapshots(connection, tickers)
            return
        listed = connection.tickers[channel]
        (listed.update if params["action"] == "add_markets" else listed.difference_update)(tickers)
        ok = {"type": "ok", "id": command["id"], "msg": {"market_tickers": sorted(listed)}}
        connection.push(ok, channel=channel)
        if params["action"] == "add_markets" and channel == "orderbook_delta":
            self.snapshots(connection, tickers)

    def delta(self, ticker: str, side: BookSide, price_cc: int, delta_centi: int, *, is_lost: bool = False) -> None:
        """Change the true book and tell it; ``is_lost`` uses the number up without telling."""
        self.books[ticker].change_level(side, price_cc, delta_centi)
        if is_lost:
            self.now.next_seq(self.now.channels["orderbook_delta"])
        else:
            self.tell_delta(ticker, side, price_cc, delta_centi)

    def tell_delta(self, ticker: str, side: BookSide, price_cc: int, delta_centi: int) -> None:
        """Tell of a change whether it is true or not."""
        is_bid = side is BookSide.BID
        message = {
            "market_ticker": ticker, "market_id": "m", "clock": 1, "side": "yes" if is_bid else "no",
            "price_dollars": format_price(price_cc if is_bid else ONE_DOLLAR_CC - price_cc),
            "delta_fp": format_size(delta_centi), "ts_ms": self.clock.now_us() // 1000,
        }  # fmt: skip
        self.now.push({"type": "orderbook_delta", "msg": message}, channel="orderbook_delta")

    def trade(self, ticker: str, price_cc: int, size_centi: int) -> None:
        self.trades += 1
        message = {
            "trade_id": f"trade-{self.trades}", "market_ticker": ticker, "yes_price_dollars": format_price(price_cc),
            "no_price_dollars": format_price(ONE_DOLLAR_CC - price_cc), "count_fp": format_size(size_centi),
            "taker_side": "yes", "taker_outcome_side": "yes", "taker_book_side": "bid", "is_block_trade": False,
            "ts": self.clock.now_us() // 1_000_000, "ts_ms": self.clock.now_us() // 1000,
        }  # fmt: skip
        self.now.push({"type": "trade", "msg": message}, channel="trade")

    def lifecycle(self, ticker: str, event_type: str, **fields: Any) -> None:
        message = {"market_ticker": ticker, "event_type": event_type, **fields}
        self.now.push({"type": "market_lifecycle_v2", "msg": message}, channel="market_lifecycle_v2")

    def true_snapshots(self, connection: FakeConnection, tickers: Sequence[str]) -> None:
        for ticker in tickers:
            book = self.books[ticker]
            yes = [[format_price(price), format_size(size)] for price, size in book.levels(BookSide.BID)]
            no = [[format_price(ONE_DOLLAR_CC - price), format_size(size)] for price, size in book.levels(BookSide.ASK)]
            message = {"market_ticker": ticker, "market_id": "m", "clock": 1}
            message |= ({"yes_dollars_fp": yes} if yes else {}) | ({"no_dollars_fp": no} if no else {})
            frame = {"type": "orderbook_snapshot", "msg": message, "sending_ts_ms": self.clock.now_us() // 1000}
            connection.push(frame, channel="orderbook_delta")


class FakeMarketRest(RestClient):
    """REST as far as market data go."""

    def __init__(self, markets: Sequence[MarketFacts], feed: FakeFeed) -> None:
        self.listed = {each.ticker: each for each in markets}
        self.feed = feed
        self.calls: list[str] = []
        self.failure: Exception | None = None

    async def markets(
        self,
        *,
        status: str | None = None,
        tickers: Sequence[str] = (),
        series: str | None = None,
        multivariate: bool = False,
    ) -> list[MarketFacts]:
        self.calls.append(f"markets {status} {','.join(tickers)} {series}")
        if self.failure is not None:
            raise self.failure
        return [
            each
            for each in self.listed.values()
            if (not tickers or each.ticker in tickers)
            and (series is None or each.series == series)
            and (status != "open" or each.status is MarketStatus.ACTIVE)
        ]

    def forget_facts(self) -> None:
        self.calls.append("forget facts")

    async def book(self, ticker: str) -> RestBook:
        self.calls.append(f"book {ticker}")
        if ticker not in self.feed.books:
            raise NotFound(404, "not_found")
        book = self.feed.books[ticker]
        return RestBook(ticker=ticker, bids=tuple(book.levels(BookSide.BID)), asks=tuple(book.levels(BookSide.ASK)))


class TopicReader:
    """Reads a topic of the bus as messages, and rebuilds books where it is ``orderbook``."""

    def __init__(self, bus: Bus, *topics: Topic) -> None:
        self._bus = bus
        self._topics = {topic.name: topic for topic in topics}
        self._consumer: BusConsumer | None = None
        self.messages: list[Message] = []
        self.replicas: dict[str, BookReplica] = {}

    async def join(self) -> TopicReader:
        self._consumer = await self._bus.consumer("test.reader", tuple(self._topics.values()), observer=True)
        return self

    async def read(self) -> list[Message]:
        """Take what is there now."""
        assert self._consumer is not None
        while records := await self._consumer.poll(1_000, 0.0):
            for record in records:
                message = decode(self._topics[record.topic], record.value)
                self.messages.append(message)
                if record.topic == ORDERBOOK.name and isinstance(message, BookMessage):
                    self.replicas.setdefault(record.key, BookReplica()).apply(message)  # type: ignore[arg-type]
        return self.messages

    async def until(self, is_so: Callable[[], Any], what: str, within_s: float = 5.0) -> None:
        """Read on until ``is_so``."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while True:
            await self.read()
            if is_so():
                return
            assert loop.time() < until, f"waited {within_s} s in vain for: {what}; read {self.messages[-5:]}"
            await asyncio.sleep(0.001)

    def of(self, kind: type[Message]) -> list[Any]:
        return [message for message in self.messages if isinstance(message, kind)]


class Running:
    """Services under one stop, for ``async with``; a failing service fails the test."""

    def __init__(self, *services: Service) -> None:
        self._services = services
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Running:
        self._tasks = [asyncio.ensure_future(service.run(self._stop)) for service in self._services]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def ended(self) -> None:
        """Wait until a service ends by itself; raises what made it end."""
        await asyncio.gather(*self._tasks)


async def eventually(action: Callable[[], Awaitable[Any]], is_so: Callable[[Any], bool], what: str) -> Any:
    """Await ``action`` again and again until its answer fits; fails naming ``what`` after five seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + 5.0
    while not is_so(answer := await action()):
        assert loop.time() < until, f"waited in vain for: {what}; last answer {answer!r}"
        await asyncio.sleep(0.002)
    return answer
