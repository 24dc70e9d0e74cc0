"""What one connection is subscribed to, its sequence numbers, and which commands are to be sent next. No I/O.

The exchange numbers frames per subscription (``sid``); a confirmed command consumes a number too. Books and trades of
the followed markets are two subscriptions whose market lists are kept alike; the life cycle of all markets is a third.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, Literal

from truebook.book.sequence import Sequence as SequenceNumbers
from truebook.kalshi.commands import add_markets, delete_markets, get_snapshot, subscribe

BOOKS: Final = "orderbook_delta"
TRADES: Final = "trade"
LIFECYCLE: Final = "market_lifecycle_v2"
MOST_PER_COMMAND: Final = 500


MOST_DOUBLINGS: Final = 5
"""A book that does not come while others are there is asked for ever more seldom: so often the pause doubles."""


class _Ask:
    """A book that is due from the exchange."""

    __slots__ = ("count", "first_us", "since_us")

    def __init__(self, now_us: int) -> None:
        self.count = 0
        self.first_us = self.since_us = now_us


class Subscription:
    """State of one connection; ``take_commands`` hands out what is to be sent."""

    def __init__(self, ask_again_us: int, most_asks: int) -> None:
        self._ask_again_us = ask_again_us
        self._most_asks = most_asks
        self._commands: list[str] = []
        self._last_id = 0
        self._sids: dict[str, int] = {}
        self._sequences: dict[int, SequenceNumbers] = {}
        self._told: dict[str, set[str]] = {}
        self._asks: dict[str, _Ask] = {}
        self._arrived_us = 0
        self._wanted: frozenset[str] = frozenset()
        self.subscribe_ids: set[int] = set()
        self._command(subscribe(self._next_id(is_subscribe=True), (LIFECYCLE,)))

    def take_commands(self) -> list[str]:
        commands, self._commands = self._commands, []
        return commands

    def channel_of(self, sid: int | None) -> str | None:
        return next((channel for channel, known in self._sids.items() if known == sid), None)

    def is_books(self, sid: int | None) -> bool:
        return sid is not None and sid == self._sids.get(BOOKS)

    def confirmed(self, channel: str, sid: int, now_us: int) -> None:
        """The exchange gave a channel its sid; changes of the market list that waited for it go out."""
        self._sids[channel] = sid
        self._sync(now_us)

    def take_seq(self, sid: int, seq: int) -> Literal["next", "gap", "old"]:
        numbers = self._sequences.get(sid)
        if numbers is None:
            numbers = self._sequences[sid] = SequenceNumbers()
        return numbers.take(seq)

    def want(self, tickers: frozenset[str], now_us: int) -> None:
        """State the markets to be subscribed to from now on; ``now_us`` is monotonic, as everywhere here."""
        self._wanted = tickers
        self._sync(now_us)

    def ask(self, tickers: Iterable[str], now_us: int) -> None:
        """Ask for whole books, but for those that were asked for just now: what comes is newer than this call."""
        sid = self._sids.get(BOOKS)
        asked = sorted({ticker for ticker in tickers if ticker in self._wanted and self._is_overdue(ticker, now_us)})
        for ticker in asked:
            ask = self._asks.setdefault(ticker, _Ask(now_us))
            ask.count, ask.since_us = ask.count + 1, now_us
        if sid is not None:
            for part in _parts(asked):
                self._command(get_snapshot(self._next_id(), sid, part))

    def ask_again(self, missing: Collection[str], now_us: int) -> bool:
        """Ask again for missing books that are overdue; answers false when one was asked for too often, no book has
        come since, and there is none that deltas keep true.
        """
        overdue = [ticker for ticker in missing if self._is_overdue(ticker, now_us)]
        asks = [self._asks[ticker] for ticker in overdue if ticker in self._asks]
        is_dead = any(self._is_vain(ask) and self._arrived_us <= ask.first_us for ask in asks)
        if is_dead and self._wanted.issubset(missing):
            return False
        if overdue:
            self.ask(overdue, now_us)
        return True

    def given_up(self) -> frozenset[str]:
        """Name the markets whose books have been asked for in vain so often that nobody waits for them any more."""
        return frozenset(ticker for ticker, ask in self._asks.items() if self._is_vain(ask))

    def arrived(self, ticker: str, now_us: int) -> None:
        """A usable book of the market came."""
        self._asks.pop(ticker, None)
        self._arrived_us = now_us

    def _is_vain(self, ask: _Ask) -> bool:
        return ask.count >= self._most_asks

    def _is_overdue(self, ticker: str, now_us: int) -> bool:
        ask = self._asks.get(ticker)
        if ask is None:
            return True
        doublings = min(max(0, ask.count - self._most_asks), MOST_DOUBLINGS)
        return now_us - ask.since_us >= self._ask_again_us << doublings

    def _sync(self, now_us: int) -> None:
        """Bring the market lists of both subscriptions to what is wanted, as far as their sids are known."""
        if not self._told:
            if self._wanted:
                self._told = {BOOKS: set(self._wanted), TRADES: set(self._wanted)}
                self._expect(self._wanted, now_us)
                tickers = tuple(sorted(self._wanted))
                self._command(subscribe(self._next_id(is_subscribe=True), (BOOKS, TRADES), tickers))
            return
        for channel, told in self._told.items():
            sid = self._sids.get(channel)
            if sid is None:
                continue
            added, removed = self._wanted - told, told - self._wanted
            for part in _parts(sorted(added)):
                self._command(add_markets(self._next_id(), sid, part))
            for part in _parts(sorted(removed)):
                self._command(delete_markets(self._next_id(), sid, part))
            if channel == BOOKS:
                self._expect(added, now_us)
            told |= added
            told -= removed

    def _expect(self, tickers: Iterable[str], now_us: int) -> None:
        """The exchange sends a first book for each added market by itself."""
        for ticker in tickers:
            self._asks[ticker] = _Ask(now_us)

    def _next_id(self, *, is_subscribe: bool = False) -> int:
        self._last_id += 1
        if is_subscribe:
            self.subscribe_ids.add(self._last_id)
        return self._last_id

    def _command(self, text: str) -> None:
        self._commands.append(text)


def _parts(tickers: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(tickers), MOST_PER_COMMAND):
        yield tuple(tickers[start : start + MOST_PER_COMMAND])
