"""A connection's subscriptions, their sequence numbers, and the commands to send next. No I/O.

The exchange numbers frames per subscription (``sid``); a confirmed command consumes a number too. Books and trades of
the followed markets are two subscriptions with the same markets; the life cycle of all markets is a third. Times are
of the monotonic clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from truebook.book.sequence import Sequence as SequenceNumbers
from truebook.book.sequence import Verdict
from truebook.kalshi.stream.commands import add_markets, delete_markets, get_snapshot, subscribe

BOOKS: Final = "orderbook_delta"
TRADES: Final = "trade"
LIFECYCLE: Final = "market_lifecycle_v2"
MAX_PER_COMMAND: Final = 500
MAX_DOUBLINGS: Final = 5
"""How often the retry interval of a missing snapshot doubles while other books are fresh."""


class _SnapshotRequest:
    """A snapshot that is expected from the exchange."""

    __slots__ = ("count", "first_us", "since_us")

    def __init__(self, now_us: int) -> None:
        self.count = 0
        self.first_us = self.since_us = now_us


class Subscription:
    """State of one connection; ``take_commands`` returns the commands to send."""

    def __init__(self, timeout_us: int, max_snapshot_requests: int) -> None:
        self._timeout_us = timeout_us
        self._max_requests = max_snapshot_requests
        self._commands: list[str] = []
        self._last_id = 0
        self._sids: dict[str, int] = {}
        self._sequences: dict[int, SequenceNumbers] = {}
        self._subscribed: dict[str, set[str]] = {}
        self._requests: dict[str, _SnapshotRequest] = {}
        self._received_us = 0
        self._markets: frozenset[str] = frozenset()
        self.subscribe_ids: set[int] = set()
        self._command(subscribe(self._next_id(is_subscribe=True), (LIFECYCLE,)))

    @property
    def has_commands(self) -> bool:
        return bool(self._commands)

    def take_commands(self) -> list[str]:
        commands, self._commands = self._commands, []
        return commands

    def channel_of(self, sid: int | None) -> str | None:
        return next((channel for channel, known in self._sids.items() if known == sid), None)

    def is_books(self, sid: int | None) -> bool:
        return sid is not None and sid == self._sids.get(BOOKS)

    def is_foreign_to_books(self, sid: int | None) -> bool:
        """Return whether the book channel's sid is known and differs: its numbers then belong to another sequence."""
        return BOOKS in self._sids and sid != self._sids[BOOKS]

    def confirmed(self, channel: str, sid: int, now_us: int) -> None:
        """Store a channel's sid; changes of the market list that waited for it become commands."""
        self._sids[channel] = sid
        self._sync(now_us)

    def take_seq(self, sid: int, seq: int, frame: str) -> Verdict:
        numbers = self._sequences.get(sid)
        if numbers is None:
            numbers = self._sequences[sid] = SequenceNumbers()
        return numbers.take(seq, frame)

    def take_next_of_books(self, sid: int | None, seq: int | None, frame: str) -> bool:
        """Take a frame only if its number is the next one of the books; nothing changes otherwise."""
        if sid is None or seq is None or sid != self._sids.get(BOOKS):
            return False
        numbers = self._sequences.get(sid)
        return numbers is not None and numbers.take_next(seq, frame)

    def set_markets(self, tickers: frozenset[str], now_us: int) -> None:
        """Set the markets to be subscribed to."""
        self._markets = tickers
        self._sync(now_us)

    def request_snapshots(self, tickers: Iterable[str], now_us: int) -> None:
        """Request snapshots, except those requested within the timeout: they will be newer than this call."""
        sid = self._sids.get(BOOKS)
        due = sorted({ticker for ticker in tickers if ticker in self._markets and self._is_overdue(ticker, now_us)})
        for ticker in due:
            request = self._requests.setdefault(ticker, _SnapshotRequest(now_us))
            request.count, request.since_us = request.count + 1, now_us
        if sid is not None:
            for part in _parts(due):
                self._command(get_snapshot(self._next_id(), sid, part))

    def retry_snapshots(self, missing: Collection[str], now_us: int) -> bool:
        """Request overdue snapshots again.

        Returns False if the subscription is dead: a snapshot was requested too often, none was received since its first
        request, and no book is fresh.
        """
        overdue = [ticker for ticker in missing if self._is_overdue(ticker, now_us)]
        requests = [self._requests[ticker] for ticker in overdue if ticker in self._requests]
        is_dead = any(self._is_exhausted(each) and self._received_us <= each.first_us for each in requests)
        if is_dead and self._markets.issubset(missing):
            return False
        if overdue:
            self.request_snapshots(overdue, now_us)
        return True

    def without_snapshot(self) -> frozenset[str]:
        """Return the markets whose snapshot was requested ``max_snapshot_requests`` times and not received."""
        return frozenset(ticker for ticker, request in self._requests.items() if self._is_exhausted(request))

    def snapshot_received(self, ticker: str, now_us: int) -> None:
        """Note that a valid snapshot of the market was received."""
        self._requests.pop(ticker, None)
        self._received_us = now_us

    def _is_exhausted(self, request: _SnapshotRequest) -> bool:
        return request.count >= self._max_requests

    def _is_overdue(self, ticker: str, now_us: int) -> bool:
        request = self._requests.get(ticker)
        if request is None:
            return True
        doublings = min(max(0, request.count - self._max_requests), MAX_DOUBLINGS)
        return now_us - request.since_us >= self._timeout_us << doublings

    def _sync(self, now_us: int) -> None:
        """Update the market lists of both subscriptions whose sids are known."""
        if not self._subscribed:
            if self._markets:
                self._subscribed = {BOOKS: set(self._markets), TRADES: set(self._markets)}
                self._expect(self._markets, now_us)
                tickers = tuple(sorted(self._markets))
                self._command(subscribe(self._next_id(is_subscribe=True), (BOOKS, TRADES), tickers))
            return
        for channel, subscribed in self._subscribed.items():
            sid = self._sids.get(channel)
            if sid is None:
                continue
            added, removed = self._markets - subscribed, subscribed - self._markets
            for part in _parts(sorted(added)):
                self._command(add_markets(self._next_id(), sid, part))
            for part in _parts(sorted(removed)):
                self._command(delete_markets(self._next_id(), sid, part))
            if channel == BOOKS:
                self._expect(added, now_us)
            subscribed |= added
            subscribed -= removed

    def _expect(self, tickers: Iterable[str], now_us: int) -> None:
        """Expect the first snapshot of each added market, which the exchange sends without a request."""
        for ticker in tickers:
            self._requests[ticker] = _SnapshotRequest(now_us)

    def _next_id(self, *, is_subscribe: bool = False) -> int:
        self._last_id += 1
        if is_subscribe:
            self.subscribe_ids.add(self._last_id)
        return self._last_id

    def _command(self, text: str) -> None:
        self._commands.append(text)


def _parts(tickers: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(tickers), MAX_PER_COMMAND):
        yield tuple(tickers[start : start + MAX_PER_COMMAND])
