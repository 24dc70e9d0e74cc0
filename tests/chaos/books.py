"""A reader of the topic ``orderbook``, as any service is one: its books must be the exchange's."""

from __future__ import annotations

import asyncio
from collections import Counter

from chaos.bus_port import Broker
from chaos.exchange import Exchange
from chaos.history import Violation
from truebook.book.replica import BookReplica
from truebook.bus.memory import MemoryBus, MemoryConsumer
from truebook.messages.codec import decode
from truebook.messages.envelope import BookSide
from truebook.messages.markets import Market
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade
from truebook.messages.topics import MARKETS, ORDERBOOK
from truebook.venue.lifecycle import takes_orders

CONFIRMED_US = 2_500_000
MOST_WRONG_LOOKS = 6
"""A change is under way for a moment; a book that is called fresh and has one and the same level wrong at so many looks
in a row is wrong. Other levels each time are other changes: where all is done once a second, each look meets one."""
AGAIN_AFTER_S = 0.3
"""What is wrong is looked at once more: quotes that are put up and taken down once a second, by the clock of the looks,
are under way at each look, and always the same."""
LOOKS = 100
LOOK_EVERY_S = 0.1
Wrong = tuple[str, int, int]
"""Side, price, and by how much the exchange has more."""
TOPICS = {topic.name: topic for topic in (MARKETS, ORDERBOOK)}


class BookReader:
    """Follows the books from the first record on; a lost bus means to begin anew."""

    def __init__(self, broker: Broker, exchange: Exchange) -> None:
        self._broker = broker
        self._exchange = exchange
        self._bus: MemoryBus | None = None
        self._member: MemoryConsumer | None = None
        self._replicas: dict[str, BookReplica] = {}
        self._chosen: dict[str, bool] = {}
        self._wrong_looks: Counter[str] = Counter()
        self._wrong_levels: dict[str, frozenset[Wrong]] = {}

    async def look(self) -> None:
        """Take what is there, and raise where a book that is said to be fresh is wrong again and again."""
        await self.read()
        found = {ticker: self._wrong_if_fresh(ticker) for ticker in self._replicas}
        if any(found.values()):
            await asyncio.sleep(AGAIN_AFTER_S)
            await self.read()
        for ticker, wrong_before in found.items():
            wrong = wrong_before & self._wrong_if_fresh(ticker)
            lasting = wrong & self._wrong_levels.get(ticker, wrong)
            self._wrong_looks[ticker] = self._wrong_looks[ticker] + 1 if lasting else min(1, len(wrong))
            self._wrong_levels[ticker] = lasting or wrong
            if self._wrong_looks[ticker] >= MOST_WRONG_LOOKS:
                raise Violation("the books are the exchange's", f"{ticker}: {sorted(lasting)}", subject=ticker)

    async def read(self) -> None:
        """Take what is there."""
        if self._bus is not self._broker.bus or self._member is None:
            self._bus, self._replicas, self._chosen = self._broker.bus, {}, {}
            self._member = await self._bus.consumer("chaos.books", tuple(TOPICS.values()), observer=True)
        while records := await self._member.poll(1_000, 0.0):
            for record in records:
                match decode(TOPICS[record.topic], record.value):
                    case Market(ticker=ticker, chosen=chosen, facts=facts):
                        self._chosen[ticker] = chosen and takes_orders(facts.status)
                    case BookDelta() | BookSnapshot() | BookStale() | PublicTrade() as news:
                        self._replicas.setdefault(news.ticker, BookReplica()).apply(news)
                    case _:
                        pass

    async def check(self) -> None:
        """Raise unless each followed book is, within a while, exactly the exchange's at the same moment."""
        wrong: dict[str, str] = {}
        seen: set[str] = set()
        for _ in range(LOOKS):
            await self.read()
            followed = sorted(ticker for ticker, chosen in self._chosen.items() if chosen)
            wrong = {ticker: why for ticker in followed if (why := self._difference(ticker)) and ticker not in seen}
            seen |= set(followed) - wrong.keys()
            if followed and not wrong:
                return
            await asyncio.sleep(LOOK_EVERY_S)
        for ticker, why in wrong.items():
            raise Violation("the books are the exchange's", f"{ticker}: {why}", subject=ticker)
        raise Violation("the books are the exchange's", "no market is followed")

    def _wrong_if_fresh(self, ticker: str) -> frozenset[Wrong]:
        """The levels that differ, where the book is said to be fresh."""
        replica = self._replicas.get(ticker)
        oldest_us = self._exchange.now_us() - CONFIRMED_US
        if replica is None or replica.stale is not None or replica.confirmed_us < oldest_us:
            return frozenset()
        return self._wrong(ticker) if self._chosen.get(ticker) else frozenset()

    def _difference(self, ticker: str) -> str:
        replica = self._replicas.get(ticker)
        if replica is None or replica.stale is not None:
            return "no book" if replica is None else f"stale: {replica.stale}"
        wrong = self._wrong(ticker)
        return f"(side, price, the exchange has more) {sorted(wrong)}" if wrong else ""

    def _wrong(self, ticker: str) -> frozenset[Wrong]:
        """The levels that differ."""
        here, true = self._replicas[ticker].book, self._exchange.engine.book(ticker)
        wrong: set[Wrong] = set()
        for side in BookSide:
            ours, theirs = dict(here.levels(side)), dict(true.levels(side))
            wrong |= {
                (str(side), price_cc, theirs.get(price_cc, 0) - ours.get(price_cc, 0))
                for price_cc in ours.keys() | theirs.keys()
                if ours.get(price_cc) != theirs.get(price_cc)
            }
        return frozenset(wrong)
