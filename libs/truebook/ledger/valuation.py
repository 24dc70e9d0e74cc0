"""What the account is worth: reports on top of the ledger's sums, outside the money path.

The ledger keeps sums of what was bought on each leg and never reduces them. Here they are read as a trader reads
them: an open position at its average cost, a realised and an unrealised profit. Identity, exact to the micro:

    equity = deposits + adjustments + rounding + realised + unrealised − fees
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from truebook.ledger.port import AccountView, MarketView
from truebook.money import ONE_DOLLAR_CC, PAIR_MICROS_PER_CENTI

Levels = Sequence[tuple[int, int]]
"""(price_cc, size_centi) of one book side on the YES leg, best first."""


class Valuation(msgspec.Struct, frozen=True, kw_only=True):
    """The account in a trader's words, all in micro-dollars."""

    position_cost_micros: int
    realised_micros: int
    unrealised_micros: int
    equity_micros: int
    unsaleable_centi: int
    """Part of the positions that the books would not take now: valued at nothing."""


def position_cost(market: MarketView) -> int:
    """Cost of the open position at the average price of its leg, rounded down; 0 once the market has settled."""
    if market.settlement_cc is not None or market.position_centi == 0:
        return 0
    if market.position_centi > 0:
        return market.yes_cost_micros * market.position_centi // market.yes_bought_centi
    return market.no_cost_micros * -market.position_centi // market.no_bought_centi


def sale_value(position_centi: int, bids: Levels, asks: Levels) -> tuple[int, int]:
    """What the position would bring now, level by level, before fees: (micros, centi that find no buyer).

    A YES position is sold into the bids; a NO position is sold by buying YES from the asks, for $1 − price each.
    """
    left, micros = abs(position_centi), 0
    for price_cc, size_centi in bids if position_centi > 0 else asks:
        if left == 0:
            break
        sold = min(left, size_centi)
        micros += sold * (price_cc if position_centi > 0 else ONE_DOLLAR_CC - price_cc)
        left -= sold
    return micros, left


def value_account(
    account: AccountView, markets: Iterable[MarketView], books: Mapping[str, tuple[Levels, Levels]]
) -> Valuation:
    """Value an account; ``books`` maps a ticker to (bids, asks), a market without one finds no buyer."""
    cost = realised = sale = unsaleable = 0
    for market in markets:
        open_cost = position_cost(market)
        bought = market.yes_cost_micros + market.no_cost_micros
        pairs = min(market.yes_bought_centi, market.no_bought_centi) * PAIR_MICROS_PER_CENTI
        realised += pairs + market.payout_micros - (bought - open_cost)
        cost += open_cost
        if market.settlement_cc is None and market.position_centi:
            bids, asks = books.get(market.ticker, ((), ()))
            micros, left = sale_value(market.position_centi, bids, asks)
            sale += micros
            unsaleable += left
    return Valuation(
        position_cost_micros=cost,
        realised_micros=realised,
        unrealised_micros=sale - cost,
        equity_micros=account.cash_micros - account.overdrawn_micros + account.promised_micros + sale,
        unsaleable_centi=unsaleable,
    )
