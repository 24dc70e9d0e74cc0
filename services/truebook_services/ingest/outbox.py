"""Collects ingest's messages for a moment and publishes them together. No other service delays messages.

If the bus is too slow, the backlog is replaced by one stale mark and one snapshot per market, which is all that a
reader needs; of the books' states only the newest of each market waits at all. Messages that could not be published
are published again; readers ignore repetitions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from truebook.messages.book_states import BookState
from truebook.messages.codec import encode
from truebook.messages.markets import MarketUpdated
from truebook.messages.orderbook import BookMessage
from truebook.messages.topics import BOOK_STATES, MARKETS, ORDERBOOK, Topic
from truebook.runtime.context import Context

Encoded = tuple[str, bytes]
MAX_WAIT_S = 0.25
TOMBSTONE = b""


class Outbox:
    """Messages waiting to be published, in order per topic.

    ``state_linger_us``: how long states of books that stay fresh are collected; other states are published at once.
    """

    def __init__(
        self,
        context: Context,
        *,
        max_backlog: int,
        collapse: Callable[[Sequence[str]], Sequence[BookMessage]],
        state_linger_us: int = 0,
    ) -> None:
        self._context = context
        self._max_backlog = max_backlog
        self._collapse = collapse
        self._books: list[Encoded] = []
        self._markets: list[Encoded] = []
        self._states: dict[str, bytes] = {}
        self._state_linger_us = state_linger_us
        self._states_published_us = 0
        self._fresh: set[str] = set()
        """Markets whose newest state is fresh."""
        self._has_changed_state = False
        self._has_messages = asyncio.Event()
        self._publishing = asyncio.Lock()

    def put(self, message: BookMessage) -> None:
        """Add a message about a book."""
        self._books.append((message.ticker, encode(message)))
        self._has_messages.set()
        if len(self._books) > self._max_backlog:
            self._collapse_backlog()

    def put_state(self, message: BookState) -> None:
        """Set the state of a market's book; it replaces one that waits."""
        self._states[message.ticker] = encode(message)
        if message.stale is not None or message.ticker not in self._fresh:
            self._has_changed_state = True
        (self._fresh.add if message.stale is None else self._fresh.discard)(message.ticker)
        if self._are_states_due():
            self._has_messages.set()

    def put_market(self, message: MarketUpdated) -> None:
        """Add a market's metadata; it is published before the books that are collected with it."""
        self._markets.append((message.ticker, encode(message)))
        self._has_messages.set()

    def delete_market(self, ticker: str) -> None:
        """Delete a market from the compacted topic, behind its last message; else it is kept for ever."""
        self._markets.append((ticker, TOMBSTONE))
        self._has_messages.set()

    async def publish_when_ready(self) -> None:
        """Wait for messages, no longer than ``MAX_WAIT_S`` so that a stop is not delayed, and publish them."""
        with suppress(TimeoutError):
            async with asyncio.timeout(MAX_WAIT_S):
                await self._has_messages.wait()
        await self.publish_now()

    async def publish_now(self) -> None:
        """Publish all collected messages."""
        async with self._publishing:
            self._has_messages.clear()
            await self._publish(MARKETS, self._markets)
            await self._publish_books()
            if self._markets or self._books or self._are_states_due():
                self._has_messages.set()

    async def _publish_books(self) -> None:
        """Publish books and their states at the same time, so that neither is later because of the other."""
        if not self._are_states_due():
            await self._publish(ORDERBOOK, self._books)
            return
        both = (self._publish(ORDERBOOK, self._books), self._publish_states())
        for outcome in await asyncio.gather(*both, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def _are_states_due(self) -> bool:
        if not self._states or self._has_changed_state:
            return bool(self._states)
        waited_us = self._context.clock.monotonic_us() - self._states_published_us
        return waited_us >= self._state_linger_us

    async def _publish_states(self) -> None:
        batch = list(self._states.items())
        self._has_changed_state = False
        try:
            await self._context.bus.publish_many(BOOK_STATES, batch)
        except BaseException:
            self._has_changed_state = True  # one of them may be; they are published again with the next messages
            self._has_messages.set()
            raise
        self._states_published_us = self._context.clock.monotonic_us()
        for ticker, value in batch:
            if self._states[ticker] is value:  # else a newer one has been set during the publish
                del self._states[ticker]

    async def _publish(self, topic: Topic, messages: list[Encoded]) -> None:
        if not messages:
            return
        batch = messages.copy()
        try:
            await self._context.bus.publish_many(topic, batch)
        except BaseException:
            self._has_messages.set()
            raise
        if messages is self._markets or messages is self._books:  # else the backlog was collapsed during the publish
            del messages[: len(batch)]

    def _collapse_backlog(self) -> None:
        dropped, self._books = self._books, []
        tickers = tuple(dict.fromkeys(ticker for ticker, _ in dropped))
        self._context.metrics.count("collapsed_messages", len(dropped))
        self._context.log.warning("backlog collapsed", messages=len(dropped), markets=len(tickers))
        self._books.extend((message.ticker, encode(message)) for message in self._collapse(tickers))
