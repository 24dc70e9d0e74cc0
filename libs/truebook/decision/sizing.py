"""The size of an order: the position caps a reduce-only order, cash caps what opens.

Part of an order may close the position against its side and part may open a new one. The closing part needs no cash;
the opening part is bounded by a share of the available cash (including the worst fee, as the ledger reserves it) and by
the largest permitted position, and is rounded down to whole contracts. 0 means ``zero_size``.
"""

from __future__ import annotations

from truebook.messages.envelope import BookSide
from truebook.money import ONE_CONTRACT_CENTI, ONE_DOLLAR_CC, ceil_div
from truebook.venue.fees import WORST_ROUNDING_MICROS

_MILLION = 1_000_000


def closing_centi(side: BookSide, position_centi: int) -> int:
    """Return how much of a position an order of this side can close: asks close YES, bids close NO."""
    return max(0, position_centi if side is BookSide.ASK else -position_centi)


def own_price_cc(side: BookSide, price_cc: int) -> int:
    """Return what a contract costs at an order's price: an ask at p buys NO at $1 − p."""
    return price_cc if side is BookSide.BID else ONE_DOLLAR_CC - price_cc


def size_order(
    side: BookSide,
    price_cc: int,
    requested_centi: int,
    *,
    position_centi: int,
    cash_micros: int,
    cash_share_ppm: int = _MILLION,
    fee_rate_ppm: int = 0,
    reduce_only: bool = False,
    max_position_centi: int | None = None,
) -> int:
    """Cap the requested size; return hundredths of a contract, 0 if nothing remains."""
    closing = min(requested_centi, closing_centi(side, position_centi))
    if reduce_only:
        return closing
    opening = requested_centi - closing
    if max_position_centi is not None:
        position = max(0, position_centi if side is BookSide.BID else -position_centi)
        opening = min(opening, max_position_centi - position)
    budget_micros = cash_micros * cash_share_ppm // _MILLION
    opening = min(opening, affordable_centi(side, price_cc, budget_micros, fee_rate_ppm))
    return closing + max(0, opening) // ONE_CONTRACT_CENTI * ONE_CONTRACT_CENTI


def affordable_centi(side: BookSide, price_cc: int, budget_micros: int, fee_rate_ppm: int) -> int:
    """Return the largest size whose price and worst fee fit the budget, rounded down; at least 0.

    With F the fee of a contract, ``venue.fees.worst_fee_micros`` of n is ⌈n × F / 100⌉ + 100 n: subtracting one micro
    from the budget covers its ceiling.
    """
    fee_micros = ceil_div(fee_rate_ppm * price_cc * (ONE_DOLLAR_CC - price_cc), ONE_DOLLAR_CC**2)
    per_contract = (own_price_cc(side, price_cc) + WORST_ROUNDING_MICROS) * ONE_CONTRACT_CENTI + fee_micros
    return max(0, (budget_micros - 1) * ONE_CONTRACT_CENTI // per_contract)
