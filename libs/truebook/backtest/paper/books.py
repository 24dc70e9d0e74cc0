"""Live books as the rest of the market made them: without the orders of the account that trades.

A shadow takes the place of the active model, so that model's resting orders must not be in the books that the shadow
sees. They are known from the ledger (``own_orders``), and between two reads of it by the book changes that they cause.
Trades of the active model stay in the public trades.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cachetools import FIFOCache

from truebook.backtest.engine.venue import Recorded
from truebook.book.state_pace import NOT_PUBLISHED, is_due
from truebook.capture.event_types import BookGap
from truebook.kalshi.port import DeltaFrame, LifecycleFrame, SnapshotFrame, TradeFrame
from truebook.ledger.port import MarketView
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketMetadata
from truebook.messages.markets import MarketUpdated
from truebook.messages.orderbook import BookDelta, PublicTrade
from truebook.messages.reasons import Reason
from truebook.observation.markets import BookUpdate, ObservedMarket, netted

MAX_TRADES: Final = 10_000
"""The newest public trades, whose repetitions are dropped."""
Key = tuple[BookSide, int]


class LiveBooks:
    """The books of all markets; every method returns what happened, as events of a recording."""

    def __init__(self) -> None:
        self.markets: dict[str, ObservedMarket] = {}
        """By ticker, without own orders."""
        self.changed: set[str] = set()
        """Markets whose book changed or was confirmed since the reader of this has cleared it."""
        self._raw: dict[str, ObservedMarket] = {}
        self._fresh_us: dict[str, int] = {}
        self._state_us: dict[str, int] = {}
        """When the state of a fresh book would have been published to execution."""
        self._trades: FIFOCache[tuple[str, str], None] = FIFOCache(MAX_TRADES)

    def update_market(self, message: MarketUpdated) -> list[Recorded]:
        """Take a market's metadata; what changed is an event."""
        market = self._market(message.ticker)
        before = market.metadata
        market.update_metadata(message)
        return [] if before is None else _lifecycle(before, message.metadata)

    def update_book(self, message: BookUpdate, now_us: int) -> list[Recorded]:
        """Apply a message about a book."""
        raw, net = self._raw_market(message.ticker), self._market(message.ticker)
        was_stale = net.replica.stale is not None
        if isinstance(message, PublicTrade):
            raw.update_book(message)
            return [] if was_stale else self._trade(message, now_us)
        is_changed = raw.update_book(message)
        if raw.replica.stale is not None:
            return [] if was_stale else self._lose(net, raw.replica.stale)
        self._confirm(raw, net, now_us)
        if not is_changed:
            return []
        if isinstance(message, BookDelta) and not was_stale:
            return self._show(raw, net, {(message.book_side, message.price_cc)}, now_us)
        return self._replace(raw, net, now_us)

    def own_orders(self, views: Mapping[str, MarketView], now_us: int) -> list[Recorded]:
        """Take the account's resting orders from a view of the ledger."""
        events: list[Recorded] = []
        for ticker, raw in self._raw.items():
            before = raw.own_orders
            raw.update_own_orders(views.get(ticker), in_feed=True)
            net = self._market(ticker)
            if raw.own_orders != before and net.replica.stale is None and raw.replica.stale is None:
                keys = {(side, price_cc) for side, price_cc, _ in (*before, *raw.own_orders)}
                events += self._show(raw, net, keys, now_us)
        return events

    def shown(self, ticker: str) -> list[Recorded]:
        """Return a market's book as an event; none while it is unknown."""
        net = self.markets.get(ticker)
        return [] if net is None or net.replica.stale is not None else [_snapshot_of(net)]

    def lose(self, tickers: set[str]) -> list[Recorded]:
        """Messages of these markets were skipped: their books are unknown until the next snapshot."""
        events: list[Recorded] = []
        for ticker in sorted(tickers):
            self._raw_market(ticker).replica.stale = Reason.BACKLOG
            net = self._market(ticker)
            if net.replica.stale is None:
                events += self._lose(net, Reason.BACKLOG)
        return events

    def drop(self, ticker: str) -> None:
        """Drop all that is kept of a market that has ended."""
        for kept in (self.markets, self._raw, self._fresh_us, self._state_us):
            kept.pop(ticker, None)
        self.changed.discard(ticker)

    # What trading reads (``engine.traded``).

    def is_fresh(self, ticker: str, within_us: int, now_us: int) -> bool:
        """Return whether the book is not stale and was confirmed within that time."""
        market = self.markets.get(ticker)
        return market is not None and market.replica.stale is None and self.age_us(ticker, now_us, 0) <= within_us

    def age_us(self, ticker: str, now_us: int, started_us: int) -> int:
        """Return the time since a book was last fresh, or since the start if it never was."""
        return max(0, now_us - self._fresh_us.get(ticker, started_us))

    # Steps.

    def _market(self, ticker: str) -> ObservedMarket:
        market = self.markets.get(ticker)
        if market is None:
            market = self.markets[ticker] = ObservedMarket(ticker)
        return market

    def _raw_market(self, ticker: str) -> ObservedMarket:
        market = self._raw.get(ticker)
        if market is None:
            market = self._raw[ticker] = ObservedMarket(ticker)
        return market

    def _trade(self, message: PublicTrade, now_us: int) -> list[Recorded]:
        key = (message.ticker, message.trade_id)
        if key in self._trades:
            return []
        self._trades[key] = None
        return [
            TradeFrame(
                sid=None, seq=None, received_us=0, ticker=message.ticker, trade_id=message.trade_id,
                price_cc=message.price_cc, size_centi=message.size_centi, taker_side=message.taker_side,
                exchange_us=message.exchange_us or now_us,
            )
        ]  # fmt: skip

    def _lose(self, net: ObservedMarket, reason: Reason) -> list[Recorded]:
        net.replica.stale = reason
        self._state_us.pop(net.ticker, None)
        net.history.clear()
        return [BookGap((net.ticker,))]

    def _confirm(self, raw: ObservedMarket, net: ObservedMarket, now_us: int) -> None:
        source, target = raw.replica, net.replica
        target.epoch, target.version, target.confirmed_us = source.epoch, source.version, source.confirmed_us
        target.event_yes_sum_cc, target.event_yes_sum_age_us = source.event_yes_sum_cc, source.event_yes_sum_age_us
        net.cause_id, net.exchange_us = raw.cause_id, raw.exchange_us
        if is_due(self._state_us.get(net.ticker, NOT_PUBLISHED), now_us):
            self._state_us[net.ticker], self._fresh_us[net.ticker] = now_us, source.confirmed_us
        self.changed.add(net.ticker)

    def _show(self, raw: ObservedMarket, net: ObservedMarket, keys: set[Key], now_us: int) -> list[Recorded]:
        """Carry the changed levels over, less our own orders."""
        own: dict[Key, int] = {}
        for side, price_cc, remaining_centi in raw.own_orders:
            own[side, price_cc] = own.get((side, price_cc), 0) + remaining_centi
        events: list[Recorded] = []
        book = net.replica.book
        for side, price_cc in sorted(keys):
            size_centi = max(0, raw.replica.book.size_at(side, price_cc) - own.get((side, price_cc), 0))
            delta_centi = size_centi - book.size_at(side, price_cc)
            if delta_centi:
                book.set_level(side, price_cc, size_centi)
                events.append(
                    DeltaFrame(
                        sid=None, seq=None, received_us=0, ticker=net.ticker, book_side=side, price_cc=price_cc,
                        delta_centi=delta_centi, exchange_us=net.exchange_us,
                    )
                )  # fmt: skip
        if events:
            net.history.changed(book, now_us)
        return events

    def _replace(self, raw: ObservedMarket, net: ObservedMarket, now_us: int) -> list[Recorded]:
        """Carry a whole book over; a snapshot that confirms the known one changes nothing."""
        with netted(raw.replica.book, raw.own_orders) as book:
            is_new = net.replica.stale is not None or book != net.replica.book
            if is_new:
                net.replica.book = book.copy()
        net.replica.stale = None
        if not is_new:
            return []
        net.history.changed(net.replica.book, now_us)
        return [_snapshot_of(net)]


def _snapshot_of(market: ObservedMarket) -> SnapshotFrame:
    book = market.replica.book
    return SnapshotFrame(
        sid=None, seq=None, received_us=0, ticker=market.ticker, bids=tuple(book.levels(BookSide.BID)),
        asks=tuple(book.levels(BookSide.ASK)), exchange_us=market.exchange_us,
    )  # fmt: skip


def _lifecycle(before: MarketMetadata, after: MarketMetadata) -> list[Recorded]:
    frame = LifecycleFrame(
        sid=None, seq=None, received_us=0, ticker=after.ticker, event_type="updated",
        close_us=after.close_us if after.close_us != before.close_us else None,
        price_ranges=after.price_ranges if after.price_ranges != before.price_ranges else None,
        status=after.status if after.status is not before.status else None,
        settlement_cc=after.settlement_cc if before.settlement_cc is None else None,
    )  # fmt: skip
    changes = (frame.close_us, frame.price_ranges, frame.status, frame.settlement_cc)
    return [] if all(change is None for change in changes) else [frame]
