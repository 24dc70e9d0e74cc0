"""What the marks for the limits of losses value: the day they count for, and the book of a position's market. Pure."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from truebook.clock import MICROS
from truebook.ledger.port import MarketView
from truebook.ledger.valuation import Levels, without_orders
from truebook.ledger.verbs import Limits
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import BEFORE_CLOSE, MarketMetadata

Book = tuple[Levels, Levels]


def trading_day(at_us: int, zone: ZoneInfo) -> int:
    """Return the number of the day in that time zone: a day has 23 or 25 hours where its clocks change."""
    return datetime.fromtimestamp(at_us // MICROS, zone).toordinal()


def has_loss_limits(limits: Limits) -> bool:
    """Return whether a limit needs marks."""
    return limits.daily_loss_micros is not None or limits.drawdown_micros is not None


def outcome_book(market: MarketView, metadata: MarketMetadata) -> Book | None:
    """Return the outcome of a market as a book that buys the whole position; None without an outcome."""
    if metadata.settlement_cc is None:
        return None
    level = ((metadata.settlement_cc, abs(market.position_centi)),)
    return level, level


def shows_a_book(metadata: MarketMetadata) -> bool:
    """Return whether the exchange still shows the market's book."""
    return metadata.status in BEFORE_CLOSE


def others_book(market: MarketView, bids: Levels, asks: Levels) -> Book:
    """Return a book without the account's own orders."""
    return without_orders(bids, market.orders, BookSide.BID), without_orders(asks, market.orders, BookSide.ASK)
