"""Layout ``c52``, features 36 to 51: the account's portfolio, and our orders in this market.

Portfolio value PV = cash + reserved cash + positions at the price at which they could be sold now, each on its own leg
and in its own market. Without equity (PV ≤ 1 cent) cash_ratio is 1 and the rest is 0. A *buy* is a bid, a *sell* an
ask of the one YES book.
"""

from __future__ import annotations

import math
from typing import Final

from truebook.features.feature import Feature, feature
from truebook.features.inputs import FeatureInputs, once
from truebook.messages.envelope import BookSide
from truebook.money import MICROS_PER_CENT, ONE_CONTRACT_CENTI, ONE_DOLLAR_CC

_FULL_CONTRACTS: Final = 1_000
_ORDER_AGE_US: Final = 300 * 1_000_000


def _share(inputs: FeatureInputs, micros: int) -> float:
    return micros / inputs.equity_micros if inputs.equity_micros > MICROS_PER_CENT else 0.0


@feature()
def cash_ratio(inputs: FeatureInputs) -> float:
    """Available cash / PV, within 0..1; 1 without equity."""
    return _share(inputs, inputs.cash_micros) if inputs.equity_micros > MICROS_PER_CENT else 1.0


@feature()
def position_ratio(inputs: FeatureInputs) -> float:
    """(PV − cash) / PV, within 0..1: positions and the cash reserved for working orders."""
    return _share(inputs, inputs.equity_micros - inputs.cash_micros)


@feature()
def position_count_norm(inputs: FeatureInputs) -> float:
    """Number of open positions / 10, at most 1."""
    return inputs.held.count / 10


@feature()
def average_position_size_norm(inputs: FeatureInputs) -> float:
    """Mean size of the open positions in contracts / 1,000, at most 1."""
    held = inputs.held
    return held.gross_centi / held.count / ONE_CONTRACT_CENTI / _FULL_CONTRACTS if held.count else 0.0


@feature()
def long_position_ratio(inputs: FeatureInputs) -> float:
    """Share of YES positions among the open positions."""
    held = inputs.held
    return held.longs / held.count if held.count else 0.0


@feature()
def short_position_ratio(inputs: FeatureInputs) -> float:
    """Share of NO positions among the open positions."""
    held = inputs.held
    return (held.count - held.longs) / held.count if held.count else 0.0


@feature(low=-1.0)
def net_position_bias(inputs: FeatureInputs) -> float:
    """tanh(sum of signed sizes / sum of sizes): within ±0.7616."""
    held = inputs.held
    return math.tanh(held.net_centi / held.gross_centi) if held.count else 0.0


@feature()
def position_concentration(inputs: FeatureInputs) -> float:
    """Value of the most valuable position / PV, at most 1."""
    return _share(inputs, inputs.held.max_value_micros)


@feature(low=-1.0)
def largest_position_norm(inputs: FeatureInputs) -> float:
    """The largest position in contracts / 1,000, with its sign, within ±1."""
    return inputs.held.largest_centi / ONE_CONTRACT_CENTI / _FULL_CONTRACTS


@feature(low=-1.0)
def unrealized_pnl_ratio(inputs: FeatureInputs) -> float:
    """tanh(sum of (value − cost) / PV)."""
    held = inputs.held
    return math.tanh(_share(inputs, held.value_micros - held.cost_micros))


@feature()
def leverage(inputs: FeatureInputs) -> float:
    """Sum of the positions' values / PV, at most 2, / 2."""
    return _share(inputs, inputs.held.value_micros) / 2


@once
def best_prices_cc(inputs: FeatureInputs) -> tuple[int | None, int | None]:
    """The prices of our best (bid, ask), None without one; the ledger allows one order per side."""
    bid_cc: int | None = None
    ask_cc: int | None = None
    for order in inputs.working:
        price_cc = order.price_cc
        if order.book_side is BookSide.BID:
            bid_cc = price_cc if bid_cc is None or price_cc > bid_cc else bid_cc
        else:
            ask_cc = price_cc if ask_cc is None or price_cc < ask_cc else ask_cc
    return bid_cc, ask_cc


def _distance(inputs: FeatureInputs, price_cc: int | None) -> float:
    return 0.0 if price_cc is None else abs(inputs.mid_cc - price_cc) / ONE_DOLLAR_CC


@feature()
def has_open_buy(inputs: FeatureInputs) -> float:
    """1 where a bid of ours is working in this market, else 0."""
    return float(best_prices_cc(inputs)[0] is not None)


@feature()
def has_open_sell(inputs: FeatureInputs) -> float:
    """1 where an ask of ours is working in this market, else 0."""
    return float(best_prices_cc(inputs)[1] is not None)


@feature()
def buy_distance_from_mid(inputs: FeatureInputs) -> float:
    """Distance of our bid from the mid, in cents / 100; 0 without one."""
    return _distance(inputs, best_prices_cc(inputs)[0])


@feature()
def sell_distance_from_mid(inputs: FeatureInputs) -> float:
    """Distance of our ask from the mid, in cents / 100; 0 without one."""
    return _distance(inputs, best_prices_cc(inputs)[1])


@feature()
def time_since_order(inputs: FeatureInputs) -> float:
    """Age of our newest working order / 300 s, at most 1; 0 without one."""
    if not inputs.working:
        return 0.0
    return (inputs.now_us - max([order.placed_us for order in inputs.working])) / _ORDER_AGE_US


ACCOUNT_FEATURES: Final[tuple[Feature, ...]] = (
    cash_ratio, position_ratio, position_count_norm, average_position_size_norm, long_position_ratio,
    short_position_ratio, net_position_bias, position_concentration, largest_position_norm, unrealized_pnl_ratio,
    leverage, has_open_buy, has_open_sell, buy_distance_from_mid, sell_distance_from_mid, time_since_order,
)  # fmt: skip
