"""The last look at a target before it may become an order: pure. The first reason that applies is the answer."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from truebook.book.order_book import OrderBook
from truebook.ledger.port import MarketView, OrderView
from truebook.messages.actions import Action, Target
from truebook.messages.envelope import BookSide, Source, TimeInForce
from truebook.messages.facts import MarketFacts
from truebook.messages.reasons import Reason
from truebook.venue.fees import UnsupportedFee, taker_rate_ppm
from truebook.venue.grid import on_grid
from truebook.venue.lifecycle import takes_orders


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a target is judged by."""

    source: Source
    now_us: int
    near_close_us: int
    facts: MarketFacts | None
    book: OrderBook | None
    market: MarketView | None


class Sized(msgspec.Struct, frozen=True, kw_only=True):
    """A target that may be sent: its size, the fee rate to promise, whether it only reduces what is held."""

    size_centi: int
    fee_rate_ppm: int
    reducing: bool


def size_target(action: Action, target: Target, around: Surroundings) -> Sized | Reason:
    """Cap a reduce-only target at what is held and check it against facts and book."""
    held = held_against(target.book_side, around.market)
    size_centi = min(target.size_centi, held) if target.reduce_only else target.size_centi
    reducing = target.reduce_only or size_centi <= held
    if size_centi <= 0:
        return Reason.NO_SIZE
    facts = around.facts
    if facts is None:
        return Reason.NO_MARKET_FACTS
    if not on_grid(target.price_cc, facts.price_ranges):
        return Reason.OFF_GRID
    if target.post_only and _crosses(target, around.book):
        return Reason.POST_ONLY_CROSS
    if not reducing and facts.close_us - around.now_us < around.near_close_us:
        return Reason.NEAR_CLOSE
    try:
        fee_rate_ppm = max(action.fee_rate_ppm, taker_rate_ppm(facts.fee_type, facts.fee_multiplier_ppm))
    except UnsupportedFee:
        return Reason.FEE_TYPE
    if action.source is not around.source:
        return Reason.SOURCE_MISMATCH
    if not takes_orders(facts.status) or around.now_us >= facts.close_us:
        return Reason.MARKET_NOT_TRADING
    if not _known_kind(target):
        return Reason.INVALID
    return Sized(size_centi=size_centi, fee_rate_ppm=fee_rate_ppm, reducing=reducing)


def held_against(side: BookSide, market: MarketView | None) -> int:
    """Hundredths that an order of this side could close: held, less what closing orders will still take of it."""
    if market is None or market.settlement_cc is not None:
        return 0
    held = max(0, -market.position_centi if side is BookSide.BID else market.position_centi)
    return max(0, held - _taken(side, market.orders))


def _taken(side: BookSide, orders: Sequence[OrderView]) -> int:
    return sum(order.remaining_centi for order in orders if order.book_side is side and order.state == "closing")


def _crosses(target: Target, book: OrderBook | None) -> bool:
    best = book.best(target.book_side.other) if book is not None else None
    if best is None:
        return False
    return target.price_cc >= best[0] if target.book_side is BookSide.BID else target.price_cc <= best[0]


def _known_kind(target: Target) -> bool:
    """Immediate orders are for flattening only: elsewhere the wire knows no reduce-only and the ledger's rule holds."""
    if target.time_in_force is TimeInForce.GOOD_TILL_CANCELED:
        return True
    return target.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL and target.reduce_only and not target.post_only
