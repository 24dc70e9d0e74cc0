"""Layout ``c52``, features 36 to 51: the account's portfolio, and our orders in this market.

Portfolio value PV = cash + promised + positions at the price at which they could be sold now, each on its own leg
and in its own market. Without equity (PV ≤ 1 cent) cash_ratio is 1 and the rest is 0. A *buy* is a bid, a *sell* an
ask of the one YES book.
"""

from __future__ import annotations

import math
from typing import Final

from truebook.features.feature import Feature, feature
from truebook.features.inputs import FeatureInputs, Holding
from truebook.messages.envelope import BookSide
from truebook.money import MICROS_PER_CENT, ONE_CONTRACT_CENTI, ONE_DOLLAR_CC

_FULL_CONTRACTS: Final = 1_000
_ORDER_AGE_US: Final = 300 * 1_000_000


def _held(inputs: FeatureInputs) -> list[Holding]:
    """The open positions; none without equity."""
    if inputs.equity_micros <= MICROS_PER_CENT:
        return []
    return [holding for holding in inputs.holdings if holding.position_centi]


def _share(inputs: FeatureInputs, micros: int) -> float:
    return micros / inputs.equity_micros if inputs.equity_micros > MICROS_PER_CENT else 0.0


@feature()
def cash_ratio(inputs: FeatureInputs) -> float:
    """Available cash / PV, within 0..1; 1 without equity."""
    return _share(inputs, inputs.cash_micros) if inputs.equity_micros > MICROS_PER_CENT else 1.0


@feature()
def position_ratio(inputs: FeatureInputs) -> float:
    """(PV − cash) / PV, within 0..1: positions and what working orders hold."""
    return _share(inputs, inputs.equity_micros - inputs.cash_micros)


@feature()
def position_count_norm(inputs: FeatureInputs) -> float:
    """Number of open positions / 10, at most 1."""
    return len(_held(inputs)) / 10


@feature()
def average_position_size_norm(inputs: FeatureInputs) -> float:
    """Mean size of the open positions in contracts / 1,000, at most 1."""
    sizes = [abs(holding.position_centi) for holding in _held(inputs)]
    return sum(sizes) / len(sizes) / ONE_CONTRACT_CENTI / _FULL_CONTRACTS if sizes else 0.0


@feature()
def long_position_ratio(inputs: FeatureInputs) -> float:
    """Share of YES positions among the open positions."""
    held = _held(inputs)
    return sum(holding.position_centi > 0 for holding in held) / len(held) if held else 0.0


@feature()
def short_position_ratio(inputs: FeatureInputs) -> float:
    """Share of NO positions among the open positions."""
    held = _held(inputs)
    return sum(holding.position_centi < 0 for holding in held) / len(held) if held else 0.0


@feature(low=-1.0)
def net_position_bias(inputs: FeatureInputs) -> float:
    """tanh(sum of signed sizes / sum of sizes): within ±0.7616."""
    sizes = [holding.position_centi for holding in _held(inputs)]
    return math.tanh(sum(sizes) / sum(abs(size) for size in sizes)) if sizes else 0.0


@feature()
def position_concentration(inputs: FeatureInputs) -> float:
    """Value of the most valuable position / PV, at most 1."""
    return _share(inputs, max((holding.value_micros for holding in _held(inputs)), default=0))


@feature(low=-1.0)
def largest_position_norm(inputs: FeatureInputs) -> float:
    """The largest position in contracts / 1,000, with its sign, within ±1."""
    sizes = [holding.position_centi for holding in _held(inputs)]
    return max(sizes, key=abs, default=0) / ONE_CONTRACT_CENTI / _FULL_CONTRACTS


@feature(low=-1.0)
def unrealized_pnl_ratio(inputs: FeatureInputs) -> float:
    """tanh(sum of (value − cost) / PV)."""
    return math.tanh(_share(inputs, sum(holding.value_micros - holding.cost_micros for holding in _held(inputs))))


@feature()
def leverage(inputs: FeatureInputs) -> float:
    """Sum of the positions' values / PV, at most 2, / 2."""
    return _share(inputs, sum(holding.value_micros for holding in _held(inputs))) / 2


def _best_price_cc(inputs: FeatureInputs, side: BookSide) -> int | None:
    """The price of our most eager order of a side (the ledger allows one a side), null without one."""
    prices = [order.price_cc for order in inputs.working if order.book_side is side]
    if not prices:
        return None
    return max(prices) if side is BookSide.BID else min(prices)


def _distance(inputs: FeatureInputs, side: BookSide) -> float:
    price_cc = _best_price_cc(inputs, side)
    return 0.0 if price_cc is None else abs(inputs.mid_cc - price_cc) / ONE_DOLLAR_CC


@feature()
def has_open_buy(inputs: FeatureInputs) -> float:
    """1 where a bid of ours is working in this market, else 0."""
    return float(_best_price_cc(inputs, BookSide.BID) is not None)


@feature()
def has_open_sell(inputs: FeatureInputs) -> float:
    """1 where an ask of ours is working in this market, else 0."""
    return float(_best_price_cc(inputs, BookSide.ASK) is not None)


@feature()
def buy_distance_from_mid(inputs: FeatureInputs) -> float:
    """Distance of our bid from the mid, in cents / 100; 0 without one."""
    return _distance(inputs, BookSide.BID)


@feature()
def sell_distance_from_mid(inputs: FeatureInputs) -> float:
    """Distance of our ask from the mid, in cents / 100; 0 without one."""
    return _distance(inputs, BookSide.ASK)


@feature()
def time_since_order(inputs: FeatureInputs) -> float:
    """Age of our newest working order / 300 s, at most 1; 0 without one."""
    if not inputs.working:
        return 0.0
    return (inputs.now_us - max(order.placed_us for order in inputs.working)) / _ORDER_AGE_US


ACCOUNT_FEATURES: Final[tuple[Feature, ...]] = (
    cash_ratio, position_ratio, position_count_norm, average_position_size_norm, long_position_ratio,
    short_position_ratio, net_position_bias, position_concentration, largest_position_norm, unrealized_pnl_ratio,
    leverage, has_open_buy, has_open_sell, buy_distance_from_mid, sell_distance_from_mid, time_since_order,
)  # fmt: skip
