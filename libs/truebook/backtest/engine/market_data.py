"""The books: what ingest publishes of the followed ones and its readers keep, as one state of each market.

All readers get each message of an instant before anything is decided, so that one book serves all of them. Versions,
confirmed times, staleness and repeated snapshots are those of ``ingest.books`` and ``ingest.session``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping

from truebook.backtest.engine.settings import DataRules
from truebook.backtest.engine.venue import Public
from truebook.book.event_sums import EventSum
from truebook.book.order_book import BookError, Changed, OrderBook
from truebook.book.state_pace import NOT_PUBLISHED, is_due, last_due
from truebook.features.history import LENGTH
from truebook.kalshi.port import DeltaFrame, SnapshotFrame, TradeFrame
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketMetadata
from truebook.messages.reasons import Reason
from truebook.observation.markets import ObservedMarket

EPOCH = 1
"""The book epoch of the first connection."""
FUTURE_US = 1_000_000
MAX_DOUBLINGS = 5
_BID, _ASK = BookSide.BID, BookSide.ASK
Levels = tuple[tuple[int, int], ...]


class FollowedMarket(ObservedMarket):
    """One market as every reader has it."""

    __slots__ = ("bid_plus_ask_cc", "changed", "event", "event_sum", "fresh_us", "published_confirmed_us",
                 "published_us", "requested_us", "requests", "stale", "state_us")  # fmt: skip

    def __init__(self, metadata: MarketMetadata, event_sum: EventSum) -> None:
        super().__init__(metadata.ticker)
        self.metadata = metadata
        self.event = metadata.event
        self.event_sum = event_sum
        self.stale: Reason | None = Reason.NO_SNAPSHOT
        self.changed = False
        self.published_us = self.published_confirmed_us = 0
        self.fresh_us: int | None = None
        """Confirmed time of the newest state while the book was fresh; None before the first."""
        self.state_us = NOT_PUBLISHED
        """When its state was last published as fresh (``book.state_pace``)."""
        self.bid_plus_ask_cc: int | None = None
        self.requests = 0
        self.requested_us = 0


class MarketData:
    """Followed markets and those that were; ``schedule`` is called for one to be observed, at the message's time."""

    def __init__(
        self, rules: DataRules, read_book: Callable[[str], OrderBook], schedule: Callable[[FollowedMarket, int], None],
        *, idle_us: int,
    ) -> None:  # fmt: skip
        self.markets: dict[str, FollowedMarket] = {}
        """Those that readers know."""
        self.confirmed_us = 0
        self.is_connected = False
        self.is_published = False
        """Whether any message was made since the reader of this has reset it."""
        self._first_data: list[tuple[int, str]] = []
        """When the exchange sends the first snapshots of followed markets."""
        self._followed: dict[str, FollowedMarket] = {}
        self._members: dict[str, frozenset[str]] = {}
        self._first_version = 0
        self._rules = rules
        self._read_book = read_book
        self._schedule = schedule
        self._idle_us = idle_us
        self._sums: dict[str, EventSum] = {}
        self._received_us = 0
        """When a message about a followed book was received; the connection counts as one."""
        self._next_probe = 0
        self._due: list[str] = []
        """Markets whose requested snapshot is sent at the end of this instant."""

    def follow(self, metadata: MarketMetadata, now_us: int) -> None:
        """Start following a market: its book is stale until its snapshot."""
        ticker = metadata.ticker
        event_sum = self._sums.setdefault(metadata.event, EventSum())
        event_sum.set_members(self._members.get(metadata.event, frozenset()))
        event_sum.add(ticker)
        market = self.markets.get(ticker)
        if market is None:
            market = self.markets[ticker] = FollowedMarket(metadata, event_sum)
        self._followed[ticker] = market
        market.event_sum, market.bid_plus_ask_cc, market.selected = event_sum, None, True
        market.replica.version, market.changed = self._first_version, False
        market.published_us = market.published_confirmed_us = market.requests = 0
        market.requested_us = now_us
        self._first_data.append((now_us + self._rules.first_data_us, ticker))

    def unfollow(self, ticker: str) -> None:
        """Stop following a market: its book is stale, and what it was confirmed by is dropped."""
        market = self._followed.pop(ticker)
        self._invalidate(market, Reason.NO_SNAPSHOT)
        self._first_version = max(self._first_version, market.replica.version)
        market.fresh_us = None
        market.event_sum.remove(ticker)
        if market.event_sum.is_empty:
            self._sums.pop(market.event, None)

    def follow_only(self, selected: frozenset[str], metadata: Mapping[str, MarketMetadata], now_us: int) -> None:
        """Follow exactly the selected markets, whose metadata are given."""
        removed = [ticker for ticker in self._followed if ticker not in selected]
        added = sorted(selected - self._followed.keys())
        for ticker in removed:
            self.unfollow(ticker)
        for ticker in added:
            self.follow(metadata[ticker], now_us)
        if self.is_connected and (removed or added):
            self._confirm(now_us)  # by the exchange's acknowledgement

    def set_members(self, members: dict[str, frozenset[str]]) -> None:
        """Set the active markets of each event."""
        self._members = members
        for event, event_sum in self._sums.items():
            event_sum.set_members(members.get(event, frozenset()))

    def send_first_data(self, now_us: int) -> int | None:
        """Apply the first snapshots that are due; return when the next ones are."""
        due = [ticker for at_us, ticker in self._first_data if at_us <= now_us]
        self._first_data = [entry for entry in self._first_data if entry[0] > now_us]
        for ticker in due:
            self._send(ticker, now_us)
        return self.first_data_us()

    def first_data_us(self) -> int | None:
        """Return when the next first snapshots are due."""
        return min((at_us for at_us, _ in self._first_data), default=None)

    # Messages.

    def receive(self, event: Public, now_us: int) -> None:
        """Apply what the exchange sends of a recorded event."""
        match event:
            case DeltaFrame():
                self.delta(event.ticker, event.book_side, event.price_cc, event.delta_centi, now_us)
            case SnapshotFrame():
                self.snapshot(event.ticker, event.bids, event.asks, now_us)
            case TradeFrame():
                self.trade(event.ticker, now_us)
            case _:
                self.snapshot(event, (), (), now_us)

    def delta(self, ticker: str, side: BookSide, price_cc: int, delta_centi: int, now_us: int) -> None:
        """Apply one change of a level."""
        market = self._followed.get(ticker)
        if market is None:
            return
        self._confirm(now_us)
        if market.stale is not None:
            return
        replica = market.replica
        book = replica.book
        try:
            book.change_level(side, price_cc, delta_centi)
        except BookError as error:
            self._invalidate(market, error.reason)
            self._request(ticker, now_us)
            return
        replica.version += 1
        market.changed = True
        self._update_sum(market)
        if delta_centi > 0 and book.is_crossed():
            self._invalidate(market, Reason.CROSSED_BOOK)
            self._request(ticker, now_us)
            return
        self._note(market, now_us)
        market.history.changed(book, now_us // 1000 * 1000)
        if market.pending_frame_us is None:
            self._schedule(market, now_us)

    def deltas(self, market: FollowedMarket, book: OrderBook, changed: Changed) -> None:
        """Take the book after several changes, which made it neither stale nor due for an observation."""
        states = changed.states
        now_us = states[-1][0]
        self._confirm(now_us)
        replica = market.replica
        replica.book = book
        replica.version += len(states)
        market.changed = True
        self._update_sum(market)
        state_us = last_due(market.state_us, [at_us for at_us, _ in states])
        if state_us != market.state_us:
            market.state_us, market.fresh_us = state_us, state_us // 1000 * 1000  # each change confirms the book
        self._note(market, now_us)
        self.is_published = False  # their readers have nothing to do
        kept = states[-LENGTH - 1 :]
        market.history.changed_often([(at_us // 1000 * 1000, state) for at_us, state in kept])

    def snapshot(self, ticker: str, bids: Levels, asks: Levels, now_us: int) -> None:
        """Replace a book; an invalid snapshot makes it stale, and is requested again after a timeout."""
        market = self._followed.get(ticker)
        if market is None:
            return
        self._confirm(now_us)
        try:
            book = OrderBook(bids, asks)
        except BookError as error:
            self._invalidate(market, error.reason)
            return
        replica, was_stale = market.replica, market.stale is not None
        is_changed = was_stale or book != replica.book
        if is_changed:
            replica.book = book
            replica.version += 1
            market.stale = replica.stale = None
            market.event_sum.mark_fresh(ticker)
            self._update_sum(market)
        market.requests = market.requested_us = 0
        self._publish(market, now_us, now_us // 1000 * 1000 if is_changed else None)

    def trade(self, ticker: str, now_us: int) -> None:
        """Note a public trade, which changes no level."""
        market = self._followed.get(ticker)
        if market is not None and market.stale is None:
            self._note(market, now_us)

    def send_requested(self, now_us: int) -> None:
        """Apply the snapshots that were requested in this instant."""
        if self._due:
            due, self._due = self._due, []
            for ticker in due:
                self._send(ticker, now_us)

    def watch(self, now_us: int) -> None:
        """Request overdue and confirming snapshots, publish due ones."""
        rules, followed = self._rules, self._followed
        stale = sorted(market.ticker for market in followed.values() if market.stale is not None)
        for ticker in stale:
            self._request(ticker, now_us)
        if now_us - self._received_us > rules.idle_probe_us:
            fresh = [market.ticker for market in followed.values() if market.stale is None]
            if fresh:
                self._next_probe = (self._next_probe + 1) % len(fresh)
                self._request(fresh[self._next_probe], now_us)
            self._received_us = now_us
        for market in followed.values():
            if market.stale is None and now_us - market.published_us >= rules.snapshot_us:  # noqa: SIM102
                if market.changed or market.published_confirmed_us < self.confirmed_us:
                    self._publish(market, now_us, None)
        self.send_requested(now_us)

    # Readers.

    def age_us(self, ticker: str, now_us: int, started_us: int) -> int:
        """Return the time since a book was last fresh, or since the start if it never was."""
        market = self.markets.get(ticker)
        fresh_us = None if market is None else market.fresh_us
        return max(0, now_us - (started_us if fresh_us is None else fresh_us))

    def is_fresh(self, ticker: str, within_us: int, now_us: int) -> bool:
        """Return whether the book is not stale and was confirmed within that time."""
        market = self.markets.get(ticker)
        return market is not None and market.stale is None and self.age_us(ticker, now_us, now_us) <= within_us

    def books(self) -> Iterable[tuple[str, OrderBook]]:
        """Return the books that are not stale."""
        return ((ticker, market.replica.book) for ticker, market in self.markets.items() if market.stale is None)

    # Idle time: see ``engine.idle``.

    def idle_state(self, now_us: int) -> Hashable | None:
        """Return what the next messages depend on, with times relative to now; None while a book is to become fresh."""
        if self._first_data or self._due or self.is_published:
            return None
        states = []
        for ticker, market in self._followed.items():
            replica = market.replica
            if market.stale is not None or market.fresh_us is None:
                return None
            requested_us = now_us - market.requested_us if market.requested_us else None
            states.append(
                (
                    ticker, id(market.metadata), replica.version, market.changed, market.pending_frame_us,
                    now_us - market.published_us, now_us - market.published_confirmed_us, now_us - market.fresh_us,
                    now_us - market.state_us,
                    now_us - replica.confirmed_us, now_us - market.observed_us, market.requests, requested_us,
                    replica.event_yes_sum_cc, replica.event_yes_sum_age_us,
                )
            )  # fmt: skip
        return now_us - self.confirmed_us, now_us - self._received_us, self._next_probe, tuple(states)

    def shift(self, by_us: int) -> None:
        """Move all times of a state that has returned."""
        self.confirmed_us += by_us
        self._received_us += by_us
        for market in self._followed.values():
            assert market.fresh_us is not None, "part of the state"
            market.fresh_us += by_us
            market.state_us += by_us
            market.replica.confirmed_us += by_us
            market.published_us += by_us
            market.published_confirmed_us += by_us
            market.observed_us += by_us
            if market.requested_us:
                market.requested_us += by_us

    # Steps.

    def connect(self, now_us: int) -> None:
        """Begin the session with the exchange."""
        self._received_us = now_us
        self.is_connected = True

    def _confirm(self, now_us: int) -> None:
        self._received_us = now_us
        sent_us = now_us // 1000 * 1000
        if sent_us > self.confirmed_us:
            self.confirmed_us = sent_us

    def _send(self, ticker: str, now_us: int) -> None:
        """Apply the exchange's book as a snapshot."""
        book = self._read_book(ticker)
        self.snapshot(ticker, tuple(book.levels(_BID)), tuple(book.levels(_ASK)), now_us)

    def _note(self, market: FollowedMarket, now_us: int) -> None:
        self.is_published = True
        replica = market.replica
        if self.confirmed_us > replica.confirmed_us:
            replica.confirmed_us = self.confirmed_us
        if is_due(market.state_us, now_us):
            market.state_us, market.fresh_us = now_us, self.confirmed_us
        replica.event_yes_sum_cc, replica.event_yes_sum_age_us = market.event_sum.read(now_us, self.confirmed_us)

    def _publish(self, market: FollowedMarket, now_us: int, changed_at_us: int | None) -> None:
        """Publish the whole book; ``changed_at_us`` is given if it changed."""
        replica = market.replica
        market.changed = False
        market.published_us, market.published_confirmed_us = now_us, self.confirmed_us
        replica.epoch = EPOCH
        replica.confirmed_us = 0
        self._note(market, now_us)
        if changed_at_us is not None:
            market.history.changed(replica.book, changed_at_us)
        is_idle = now_us - market.observed_us >= self._idle_us
        if (changed_at_us is not None or is_idle) and market.pending_frame_us is None:
            self._schedule(market, now_us)

    def _invalidate(self, market: FollowedMarket, reason: Reason) -> None:
        if market.stale is not None:
            return
        self.is_published = True
        market.stale = market.replica.stale = reason
        market.state_us = NOT_PUBLISHED
        market.event_sum.mark_stale(market.ticker, self.confirmed_us)
        market.history.clear()

    def _request(self, ticker: str, now_us: int) -> None:
        """Request a snapshot, unless one requested within the timeout is still expected."""
        market, rules = self._followed[ticker], self._rules
        if market.requested_us:
            doublings = min(max(0, market.requests - rules.max_snapshot_requests), MAX_DOUBLINGS)
            if now_us - market.requested_us < rules.snapshot_timeout_us << doublings:
                return
        market.requests += 1
        market.requested_us = now_us
        self._due.append(ticker)

    @staticmethod
    def _update_sum(market: FollowedMarket) -> None:
        bid, ask = market.replica.book.best(_BID), market.replica.book.best(_ASK)
        bid_plus_ask_cc = None if bid is None or ask is None else bid[0] + ask[0]
        if bid_plus_ask_cc != market.bid_plus_ask_cc:
            market.bid_plus_ask_cc = bid_plus_ask_cc
            market.event_sum.set_price(market.ticker, bid_plus_ask_cc)
