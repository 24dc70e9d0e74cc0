"""Price rules on the market's own grid. A rule without a price gives None; there is no default price."""

from __future__ import annotations

import msgspec

from truebook.decision.strategy import PriceRule
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import PriceRange
from truebook.messages.observations import Observation
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC
from truebook.venue.grid import on_grid, round_down, round_up, tick_above, tick_below

Grid = tuple[PriceRange, ...]


class Top(msgspec.Struct, frozen=True, gc=False):
    """Both best prices of a two-sided, uncrossed book."""

    bid_cc: int
    ask_cc: int


def top_of(observation: Observation) -> Top | None:
    """Return the top of the book; None if a side is missing or the sides cross: then no rule has a price."""
    bid_cc, ask_cc = observation.best_bid_cc, observation.best_ask_cc
    sized = observation.best_bid_centi > 0 and observation.best_ask_centi > 0
    return Top(bid_cc, ask_cc) if sized and MIN_PRICE_CC <= bid_cc < ask_cc <= MAX_PRICE_CC else None


def is_post_only(rule: PriceRule) -> bool:
    """Return whether orders of this rule must never take liquidity."""
    return rule in (PriceRule.JOIN, PriceRule.IMPROVE)


def price_for(side: BookSide, rule: PriceRule, top: Top, grid: Grid) -> int | None:
    """Return the rule's price for a bid or an ask; None if it is not on the grid."""
    is_bid = side is BookSide.BID
    own_cc, other_cc = (top.bid_cc, top.ask_cc) if is_bid else (top.ask_cc, top.bid_cc)
    if rule is PriceRule.CROSS:
        return other_cc if on_grid(other_cc, grid) else None
    if rule is PriceRule.MID:
        total_cc = top.bid_cc + top.ask_cc
        price_cc = round_down(total_cc // 2, grid) if is_bid else round_up(total_cc - total_cc // 2, grid)
        return price_cc if price_cc is not None and _rests(is_bid, price_cc, other_cc) else None
    joined_cc = own_cc if on_grid(own_cc, grid) else None
    if rule is PriceRule.IMPROVE:
        better_cc = tick_above(own_cc, grid) if is_bid else tick_below(own_cc, grid)
        if better_cc is not None and _rests(is_bid, better_cc, other_cc):
            return better_cc
    return joined_cc


def _rests(is_bid: bool, price_cc: int, other_cc: int) -> bool:
    return price_cc < other_cc if is_bid else price_cc > other_cc
