"""A reader of the topic ``orderbook``: its books must equal the exchange's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection

from chaos.bus_port import Broker
from chaos.exchange import Exchange
from chaos.history import Violation
from truebook.book.replica import BookReplica
from truebook.bus.memory.bus import MemoryBus, MemoryConsumer
from truebook.messages.codec import decode
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketStatus
from truebook.messages.markets import Exclusion, MarketUpdated
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade
from truebook.messages.topics import MARKETS, ORDERBOOK
from truebook.venue.lifecycle import takes_orders

CONFIRMED_US = 2_500_000
MAX_WRONG_CHECKS = 6
"""A change in flight makes a book differ for a moment. A fresh book is wrong if the same level differs at this many
checks in a row; other levels each time are other changes: with one change a second, each check sees one."""
RECHECK_AFTER_S = 0.3
"""A difference is checked again after this time: quotes that are placed and cancelled once a second, in step with the
checks, would be in flight at each check, and always at the same level."""
CHECKS = 100
REOPENED_WITHIN_S = 70
"""An ingest with free places selects again after up to a minute."""
CHECK_EVERY_S = 0.1
Wrong = tuple[str, int, int]
"""Side, price, and the exchange's size minus ours."""
TOPICS = {topic.name: topic for topic in (MARKETS, ORDERBOOK)}


class BookReader:
    """Follows the books from the first record on; restarts from scratch when the bus is lost."""

    def __init__(self, broker: Broker, exchange: Exchange) -> None:
        self._broker = broker
        self._exchange = exchange
        self._bus: MemoryBus | None = None
        self._member: MemoryConsumer | None = None
        self._replicas: dict[str, BookReplica] = {}
        self._selected: dict[str, bool] = {}
        self._exclusions: dict[str, Exclusion | None] = {}
        self._wrong_checks: Counter[str] = Counter()
        self._wrong_levels: dict[str, frozenset[Wrong]] = {}

    async def check_fresh(self) -> None:
        """Read all records; raise if a fresh book is wrong repeatedly."""
        await self.read()
        found = {ticker: self._wrong_if_fresh(ticker) for ticker in self._replicas}
        if any(found.values()):
            await asyncio.sleep(RECHECK_AFTER_S)
            await self.read()
        for ticker, wrong_before in found.items():
            wrong = wrong_before & self._wrong_if_fresh(ticker)
            lasting = wrong & self._wrong_levels.get(ticker, wrong)
            self._wrong_checks[ticker] = self._wrong_checks[ticker] + 1 if lasting else min(1, len(wrong))
            self._wrong_levels[ticker] = lasting or wrong
            if self._wrong_checks[ticker] >= MAX_WRONG_CHECKS:
                raise Violation("the books equal the exchange's", f"{ticker}: {sorted(lasting)}", subject=ticker)

    async def read(self) -> None:
        """Read all records."""
        if self._bus is not self._broker.bus or self._member is None:
            self._bus, self._replicas, self._selected = self._broker.bus, {}, {}
            self._member = await self._bus.consumer("chaos.books", tuple(TOPICS.values()), observer=True)
        while records := await self._member.poll(1_000, 0.0):
            for record in records:
                if not record.value:
                    continue
                match decode(TOPICS[record.topic], record.value):
                    case MarketUpdated(ticker=ticker, selected=selected, metadata=metadata, exclusion=exclusion):
                        self._selected[ticker] = selected and takes_orders(metadata.status)
                        self._exclusions[ticker] = exclusion
                    case BookDelta() | BookSnapshot() | BookStale() | PublicTrade() as update:
                        self._replicas.setdefault(update.ticker, BookReplica()).apply(update)
                    case _:
                        pass

    async def check(self) -> None:
        """Raise unless each followed book equals the exchange's at the same moment, within a while."""
        wrong: dict[str, str] = {}
        seen: set[str] = set()
        for _ in range(CHECKS):
            await self.read()
            followed = sorted(ticker for ticker, selected in self._selected.items() if selected)
            wrong = {ticker: why for ticker in followed if (why := self._difference(ticker)) and ticker not in seen}
            seen |= set(followed) - wrong.keys()
            if followed and not wrong:
                return
            await asyncio.sleep(CHECK_EVERY_S)
        for ticker, why in wrong.items():
            raise Violation("the books equal the exchange's", f"{ticker}: {why}", subject=ticker)
        raise Violation("the books equal the exchange's", "no market is followed")

    async def check_reopened(self, tickers: Collection[str]) -> None:
        """Raise unless each of these markets that trades is known to trade, within a while."""
        for _ in range(REOPENED_WITHIN_S):
            await self.read()
            shut = [
                ticker
                for ticker in sorted(tickers)
                if (metadata := self._exchange.engine.queries.market(ticker)) is not None
                and metadata.status is MarketStatus.ACTIVE
                and self._exclusions.get(ticker) is Exclusion.NOT_TRADING
            ]
            if not shut:
                return
            await asyncio.sleep(1.0)
        raise Violation("a reopened market is traded again", shut[0], subject=shut[0])

    def _wrong_if_fresh(self, ticker: str) -> frozenset[Wrong]:
        """Return the levels that differ, if the book is fresh."""
        replica = self._replicas.get(ticker)
        oldest_us = self._exchange.now_us() - CONFIRMED_US
        if replica is None or replica.stale is not None or replica.confirmed_us < oldest_us:
            return frozenset()
        return self._wrong(ticker) if self._selected.get(ticker) else frozenset()

    def _difference(self, ticker: str) -> str:
        replica = self._replicas.get(ticker)
        if replica is None or replica.stale is not None:
            return "no book" if replica is None else f"stale: {replica.stale}"
        wrong = self._wrong(ticker)
        return f"(side, price, exchange minus ours) {sorted(wrong)}" if wrong else ""

    def _wrong(self, ticker: str) -> frozenset[Wrong]:
        """Return the levels that differ."""
        here, true = self._replicas[ticker].book, self._exchange.engine.queries.book(ticker)
        wrong: set[Wrong] = set()
        for side in BookSide:
            ours, theirs = dict(here.levels(side)), dict(true.levels(side))
            wrong |= {
                (str(side), price_cc, theirs.get(price_cc, 0) - ours.get(price_cc, 0))
                for price_cc in ours.keys() | theirs.keys()
                if ours.get(price_cc) != theirs.get(price_cc)
            }
        return frozenset(wrong)
