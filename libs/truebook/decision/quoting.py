"""Two-sided quotes from a probability.

The probability is the only float; it is converted at once to an integer fair price in millionths of a dollar (a
centi-cent is 100 of them). A bid must be below fair − edge − fee, an ask above fair + edge + fee; within that bound
the price rule chooses. The fee is the maker's for rules that rest, the taker's for ``cross`` and ``mid`` (which may
take). A strategy with ``take_edge_cc`` takes at the other side's best price if that gains enough.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

import msgspec

from truebook.decision.prices import Grid, Top, is_post_only, price_for
from truebook.decision.sizing import own_price_cc, size_order
from truebook.decision.strategy import MILLION, PriceRule, Strategy
from truebook.messages.actions import Target
from truebook.messages.envelope import BookSide
from truebook.messages.observations import Observation
from truebook.money import ONE_CONTRACT_CENTI, ONE_DOLLAR_CC, ceil_div
from truebook.venue.grid import round_down, round_up, tick_above, tick_below

PPM_PER_CC: Final = MILLION // ONE_DOLLAR_CC
_STEPS_CENTI: Final = (0, *(step * 10**power * ONE_CONTRACT_CENTI for power in range(16) for step in (1, 2, 5)))
"""Sizes of 1, 2 and 5 times a power of ten contracts, beyond any account's cash."""


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The quote of one side: a target with its expected gain per contract, or no target."""

    target: Target | None
    edge_cc: int
    has_edge: bool


def fair_ppm(probability: float) -> int:
    """Convert a probability to the fair price in millionths of a dollar; raise ``ValueError`` outside 0..1."""
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"a probability must be in 0..1, got {probability!r}")
    return round(probability * MILLION)


def quote(side: BookSide, fair: int, observation: Observation, top: Top, strategy: Strategy) -> Quote:
    """Quote one side around the fair price (``fair_ppm``)."""
    rule, grid = strategy.price_rule, observation.price_ranges
    if _gains_by_taking(side, fair, observation, top, strategy):
        rule = PriceRule.CROSS
    rate_ppm = observation.maker_rate_ppm if is_post_only(rule) else observation.taker_rate_ppm
    rule_cc = price_for(side, rule, top, grid)
    price_cc = None if rule_cc is None else _within(side, rule_cc, rule, grid, (fair, strategy.min_edge_cc, rate_ppm))
    if price_cc is None:
        return Quote(None, 0, False)
    gain = gain_ppm(side, price_cc, fair, rate_ppm)
    size_centi = size_order(
        side, price_cc, kelly_centi(side, price_cc, gain, observation, strategy),
        position_centi=observation.position_centi, cash_micros=observation.cash_micros,
        cash_share_ppm=strategy.cash_share_ppm, fee_rate_ppm=observation.taker_rate_ppm,
        max_position_centi=strategy.max_position_centi,
    )  # fmt: skip
    if size_centi == 0:
        return Quote(None, 0, True)
    target = Target(book_side=side, price_cc=price_cc, size_centi=size_centi, post_only=is_post_only(rule))
    return Quote(target, gain // PPM_PER_CC, True)


def _gains_by_taking(side: BookSide, fair: int, observation: Observation, top: Top, strategy: Strategy) -> bool:
    if strategy.take_edge_cc is None:
        return False
    other_cc = top.ask_cc if side is BookSide.BID else top.bid_cc
    needed = max(strategy.take_edge_cc, strategy.min_edge_cc) * PPM_PER_CC
    return gain_ppm(side, other_cc, fair, observation.taker_rate_ppm) >= needed


def gain_ppm(side: BookSide, price_cc: int, fair: int, rate_ppm: int) -> int:
    """Return a contract's expected gain in millionths of a dollar: fair − price − fee for a bid, an ask mirrored."""
    paid = price_cc * PPM_PER_CC
    return (fair - paid if side is BookSide.BID else paid - fair) - fee_ppm(price_cc, rate_ppm)


def fee_ppm(price_cc: int, rate_ppm: int) -> int:
    """Return a contract's fee at a price in millionths of a dollar, rounded up."""
    return ceil_div(rate_ppm * price_cc * (ONE_DOLLAR_CC - price_cc), ONE_DOLLAR_CC**2)


def _within(side: BookSide, rule_cc: int, rule: PriceRule, grid: Grid, terms: tuple[int, int, int]) -> int | None:
    """Return the rule's price if it gains enough, else the nearest more passive one that does, else None.

    A rule that crosses takes at its price or not at all. Some gain is always required, so that our own bid and ask can
    never cross.
    """
    fair, min_edge_cc, rate_ppm = terms
    needed = max(1, min_edge_cc * PPM_PER_CC)

    def enough(price_cc: int) -> bool:
        return gain_ppm(side, price_cc, fair, rate_ppm) >= needed

    if enough(rule_cc):
        return rule_cc
    if rule is PriceRule.CROSS:
        return None
    is_bid = side is BookSide.BID
    # Start at the bound without a fee, then step over the fee (at most 2 cents).
    bound_cc = (fair - needed) // PPM_PER_CC if is_bid else ceil_div(fair + needed, PPM_PER_CC)
    price_cc = round_down(min(bound_cc, rule_cc), grid) if is_bid else round_up(max(bound_cc, rule_cc), grid)
    while price_cc is not None and not enough(price_cc):
        price_cc = tick_below(price_cc, grid) if is_bid else tick_above(price_cc, grid)
    return price_cc


def kelly_centi(side: BookSide, price_cc: int, gain: int, observation: Observation, strategy: Strategy) -> int:
    """Return the size before caps: the staked part of the Kelly bet on available cash, at most the largest quote.

    Kelly, for a contract that pays $1 and costs c with fees: stake the share gain / ($1 − c) of the cash. The stake
    buys 1, 2, 5, 10, 20, ... contracts, rounded down: cash and gain change all the time, and each other size would
    cancel the order. A position that the order would close needs no stake and is added.
    """
    largest_centi = strategy.sizes_centi[-1]
    if strategy.kelly_fraction_ppm == 0:
        return largest_centi
    own_cc = own_price_cc(side, price_cc)
    odds = max(1, MILLION - own_cc * PPM_PER_CC)
    stake_micros = observation.cash_micros * strategy.kelly_fraction_ppm * max(0, gain) // (MILLION * odds)
    held_centi = max(0, observation.position_centi if side is BookSide.ASK else -observation.position_centi)
    return min(largest_centi, _step_below(stake_micros // own_cc) + held_centi)


def _step_below(size_centi: int) -> int:
    """Round down to 1, 2 or 5 times a power of ten contracts; 0 below one contract."""
    return _STEPS_CENTI[bisect_right(_STEPS_CENTI, size_centi) - 1] if size_centi > 0 else 0
