"""Whether each market's book is fresh, how old it is, and the exchange's metadata of the market.

Execution keeps no books: a target is judged by the best prices of the book on which it was decided, which its action
carries, and the exchange judges it by the newest one. What remains is whether that book may be used at all.
"""

from __future__ import annotations

from truebook.clock import Clock
from truebook.messages.book_states import BookState
from truebook.messages.market_metadata import MarketMetadata
from truebook.messages.markets import MarketUpdated
from truebook.messages.reasons import Reason


class KnownState:
    """The newest state of one market's book."""

    __slots__ = ("confirmed_us", "epoch", "stale", "version")

    def __init__(self) -> None:
        self.epoch = 0
        self.version = 0
        self.confirmed_us = 0
        self.stale: Reason | None = Reason.NO_SNAPSHOT

    def apply(self, state: BookState) -> None:
        """Take a state; one of an older epoch makes the book stale, a repeated one changes nothing.

        After a stale mark a fresh book has a new version. A fresh state of the same version is therefore a repetition.
        """
        if state.epoch < self.epoch:
            self.stale = Reason.OLD_EPOCH
            return
        if state.epoch == self.epoch:
            is_repeated = state.version < self.version
            is_repeated |= state.version == self.version and state.stale is None and not self._may_be_fresh()
            if is_repeated:
                return
            self.confirmed_us = max(self.confirmed_us, state.confirmed_us)
        else:
            self.confirmed_us = state.confirmed_us
        self.epoch, self.version, self.stale = state.epoch, state.version, state.stale

    def _may_be_fresh(self) -> bool:
        return self.stale is None or self.stale is Reason.OLD_EPOCH


class BookStates:
    """The state of each market's book: guards read it before an order is sent."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_us = clock.now_us()
        self._states: dict[str, KnownState] = {}
        self._metadata: dict[str, MarketMetadata] = {}
        self._fresh_us: dict[str, int] = {}

    def update_market(self, market: MarketUpdated) -> None:
        """Store a market's metadata; drop the state of a market that is no longer selected."""
        self._metadata[market.ticker] = market.metadata
        if not market.selected:
            self._drop_state(market.ticker)

    def drop(self, ticker: str) -> None:
        """Drop all that is kept of a market that is deleted from the topic."""
        self._metadata.pop(ticker, None)
        self._drop_state(ticker)

    def apply(self, message: BookState) -> None:
        """Take the state of one market's book."""
        state = self._states.get(message.ticker)
        if state is None and message.stale is not None:
            return  # a market that is no longer selected: its last message must not bring the state back
        if state is None:
            state = self._states[message.ticker] = KnownState()
        state.apply(message)
        if state.stale is None:
            self._fresh_us[message.ticker] = state.confirmed_us

    def metadata(self, ticker: str) -> MarketMetadata | None:
        return self._metadata.get(ticker)

    def is_fresh(self, ticker: str, within_us: int) -> bool:
        """Return whether the book is not stale and was confirmed by the exchange within ``within_us``."""
        state = self._states.get(ticker)
        return state is not None and state.stale is None and self.age_us(ticker) <= within_us

    def ages_us(self) -> dict[str, int]:
        """Return ``age_us`` of every market with a state."""
        return {ticker: self.age_us(ticker) for ticker in self._states}

    def age_us(self, ticker: str) -> int:
        """Return the time since the book was last fresh, or since the start of this service if it never was."""
        return max(0, self._clock.now_us() - self._fresh_us.get(ticker, self._started_us))

    def _drop_state(self, ticker: str) -> None:
        self._states.pop(ticker, None)
        self._fresh_us.pop(ticker, None)
