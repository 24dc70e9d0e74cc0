"""Gathers ingest's messages for a moment and publishes them together: only the source gathers.

Nothing is dropped for good: a backlog (a bus that pushes back for longer than the books can wait) collapses to one
stale mark and one snapshot for each market in it, which is all that a reader needs. What could not be published stays
and goes out again: repetitions change nothing for a reader.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from truebook.messages.codec import encode
from truebook.messages.markets import Market
from truebook.messages.orderbook import BookMessage
from truebook.messages.topics import MARKETS, ORDERBOOK, Topic
from truebook.runtime.context import Context

Encoded = tuple[str, bytes]
MOST_WAIT_S = 0.25


class Outbox:
    """What waits to be published, in order per topic."""

    def __init__(
        self, context: Context, *, most_backlog: int, collapse: Callable[[Sequence[str]], Sequence[BookMessage]]
    ) -> None:
        self._context = context
        self._most_backlog = most_backlog
        self._collapse = collapse
        self._books: list[Encoded] = []
        self._markets: list[Encoded] = []
        self._waiting = asyncio.Event()
        self._publishing = asyncio.Lock()

    def put(self, message: BookMessage) -> None:
        """Take a message about a book."""
        self._books.append((message.ticker, encode(message)))
        self._waiting.set()
        if len(self._books) > self._most_backlog:
            self._collapse_backlog()

    def put_market(self, message: Market) -> None:
        """Take a market's facts; they are published before the books that are gathered with them."""
        self._markets.append((message.ticker, encode(message)))
        self._waiting.set()

    async def publish_gathered(self) -> None:
        """Wait until there is something, but not so long that a stop would have to wait; publish all that is there."""
        with suppress(TimeoutError):
            async with asyncio.timeout(MOST_WAIT_S):
                await self._waiting.wait()
        await self.publish_now()

    async def publish_now(self) -> None:
        """Publish what has been gathered until now."""
        async with self._publishing:
            self._waiting.clear()
            await self._publish(MARKETS, self._markets)
            await self._publish(ORDERBOOK, self._books)
            if self._markets or self._books:
                self._waiting.set()

    async def _publish(self, topic: Topic, waiting: list[Encoded]) -> None:
        if not waiting:
            return
        batch = waiting.copy()
        try:
            await self._context.bus.publish_many(topic, batch)
        except BaseException:
            self._waiting.set()
            raise
        if waiting is self._markets or waiting is self._books:  # else a backlog has collapsed meanwhile
            del waiting[: len(batch)]

    def _collapse_backlog(self) -> None:
        dropped, self._books = self._books, []
        tickers = tuple(dict.fromkeys(ticker for ticker, _ in dropped))
        self._context.metrics.count("collapsed_messages", len(dropped))
        self._context.log.warning("backlog collapsed", messages=len(dropped), markets=len(tickers))
        self._books.extend((message.ticker, encode(message)) for message in self._collapse(tickers))
