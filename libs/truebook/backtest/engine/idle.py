"""Passes over time in which nothing but periodic work on unchanged books happens: a night, or days between markets.

Without recorded events, orders and observations the engine's state depends on its former state only, and is shifted in
time: probes, confirmations and refusals of markets that can't be traded repeat. As soon as a state returns, all further
rounds are known: their refusals are multiplied, and the times in the state are shifted. What the ledger counts
(statements of the reconciler, sweeps, marks, pruning) is no part of it and is done each time. The result is the same.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable
from typing import Final, NamedTuple

import msgspec

from truebook.backtest.engine.listing import Listing
from truebook.backtest.engine.market_data import MarketData
from truebook.backtest.engine.observing import AccountObserver
from truebook.backtest.engine.periodic import Calendar
from truebook.backtest.engine.settings import EngineSettings
from truebook.backtest.engine.trading import Trader
from truebook.backtest.engine.venue import Venue
from truebook.ledger.rules.ledger import Ledger
from truebook.pacing.due_queue import DueQueue
from truebook.pacing.throttle import Throttle

QUIET_US: Final = 30_000_000
"""States are compared from so long after the last event on: what is reported of a market counts for ten seconds."""
MAX_STATES: Final = 20_000
"""Of an idle time; where none has returned by then, the rest of it is not passed over."""


class Parts(NamedTuple):
    """The parts of an engine whose states have times."""

    calendar: Calendar
    data: MarketData
    listing: Listing
    ledger: Ledger
    observer: AccountObserver
    pending: DueQueue
    throttle: Throttle
    trader: Trader
    venue: Venue


class _Seen(NamedTuple):
    at_us: int
    refusals: Counter[str]


class IdleTime:
    """The states of the current idle time; ``start`` is called wherever anything else happens."""

    def __init__(self, settings: EngineSettings, start_us: int, parts: Parts) -> None:
        self._settings = settings
        self._start_us = start_us
        self._parts = parts
        self._quiet_us = start_us + QUIET_US
        self._observations = 0
        self._seen: dict[bytes, _Seen] = {}
        """By the digest of a state."""

    def start(self, now_us: int) -> None:
        """Note that something has happened."""
        self._quiet_us = now_us + QUIET_US
        if self._seen:
            self._seen = {}

    def is_quiet(self, now_us: int) -> bool:
        """Return whether a state is worth looking at."""
        return now_us >= self._quiet_us and len(self._seen) < MAX_STATES

    def pass_over(self, now_us: int, until_us: int, observations: int, refusals: Counter[str]) -> int:
        """Return the time reached: that of an equal state up to ``until_us`` if one is known, else ``now_us``.

        ``observations`` and ``refusals`` are those so far; the refusals of the time passed over are added.
        """
        if observations != self._observations:
            self._observations = observations
            self.start(now_us)
            return now_us
        state = self._state(now_us)
        if state is None:
            return now_us
        digest = hashlib.blake2b(msgspec.msgpack.encode(state), digest_size=16).digest()
        seen = self._seen.setdefault(digest, _Seen(now_us, refusals.copy()))
        if self._parts.listing.selected_us <= seen.at_us:
            return now_us  # new, or markets were not selected since then: that is part of what repeats
        round_us = now_us - seen.at_us
        rounds = (min(until_us, self._unchanged_until_us(now_us)) - now_us) // round_us
        if rounds < 1:
            return now_us
        for reason, count in (refusals - seen.refusals).items():
            refusals[reason] += rounds * count
        reached_us = now_us + rounds * round_us
        self._shift(now_us, reached_us)
        return reached_us

    def _state(self, now_us: int) -> Hashable | None:
        """Return what all that repeats depends on, with times relative to now; None between two checks of the books."""
        parts, rules = self._parts, self._settings
        since_start_us = now_us - self._start_us
        if since_start_us % rules.data.watch_us or parts.venue.arrives_us() is not None or not parts.trader.is_idle:
            return None
        books = None if parts.ledger.state.totals.open_orders else parts.data.idle_state(now_us)
        if books is None:
            return None
        phase_us = since_start_us % rules.observation.release_us
        return phase_us, books, parts.pending.waits_us(now_us), parts.listing.idle_state

    def _unchanged_until_us(self, now_us: int) -> int:
        due_us = self._parts.venue.next_due_us()
        near_close_us = self._settings.observation.limits.near_close_us
        listed_us = self._parts.listing.unchanged_until_us(now_us, near_close_us)
        return listed_us if due_us is None else min(due_us - 1, listed_us)

    def _shift(self, now_us: int, until_us: int) -> None:
        """Move the state to a later time; what the ledger counts is done meanwhile."""
        parts, by_us = self._parts, until_us - now_us
        parts.calendar.pass_over(until_us + 1)
        parts.listing.repeat(now_us, until_us, self._settings.data.watch_us)
        parts.data.shift(by_us)
        parts.throttle.shift(by_us)
        parts.pending.shift(by_us)
        parts.observer.read_positions()
        self.start(until_us)
