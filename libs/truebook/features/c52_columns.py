"""The formulas of layout ``c52`` on the columns of several markets: each equals the single form of its feature.

Sums of activities are rounded in another order than in the single form. Where that could change the result, the value
is ``UNKNOWN``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Final

import numpy as np

from truebook.features import c52_account as account
from truebook.features import c52_market as market
from truebook.features import c52_temporal as temporal
from truebook.features.columns import UNKNOWN, Column, Columns, Formula, columns_of
from truebook.features.feature import Feature
from truebook.features.history import LENGTH
from truebook.features.inputs import FeatureInputs, Shared
from truebook.money import ONE_CONTRACT_CENTI, ONE_DOLLAR_CC

_SECOND_US: Final = 1_000_000
_HOUR_US: Final = 3_600 * _SECOND_US
_ORDER_AGE_US: Final = 300 * _SECOND_US
_CLOSE: Final = 1e-9
_PLACES: Final = np.arange(LENGTH).reshape(-1, 1) - LENGTH


class _Derived:
    """What several formulas of this layout compute from the columns."""

    def __init__(self, of: Columns) -> None:
        self._of = of

    @Shared
    def volumes(self) -> tuple[Column, Column]:
        bids, asks = self._of.totals_centi
        return bids / ONE_CONTRACT_CENTI, asks / ONE_CONTRACT_CENTI

    @Shared
    def side_imbalance(self) -> Column:
        bids, asks = self.volumes
        return (bids - asks) / (bids + asks)

    @Shared
    def micro_cc(self) -> Column:
        bids, asks = self.volumes
        return (self._of.bid_cc * asks + self._of.ask_cc * bids) / (bids + asks)

    @Shared
    def levels(self) -> tuple[Column, Column]:
        """The number of levels, and the sizes of the three largest."""
        found = columns_of([each.book.largest() for each in self._of.inputs], 2)
        return found[0], found[1]

    @Shared
    def activities(self) -> Column:
        """``LENGTH`` columns, oldest first; 0 in place of missing changes."""
        shares = np.log1p(self._of.moved_centi / ONE_CONTRACT_CENTI) / math.log1p(10_000)
        return np.minimum(shares, 1.0)

    @Shared
    def mean_activity(self) -> Column:
        return self.activities.sum(axis=0) / np.maximum(self._of.changes, 1)

    @Shared
    def activities_apart(self) -> Column:
        """The distances from the mean; 0 in place of missing changes."""
        return np.where(self._of.is_change, self.activities - self.mean_activity, 0.0)

    @Shared
    def own_prices(self) -> tuple[Column, Column, Column]:
        """The best (bid, ask) of ours, ``UNKNOWN`` without one, and when the newest order was placed, else now."""
        rows = [
            _own_prices(each) if each.working else (UNKNOWN, UNKNOWN, each.now_us) for each in self._of.inputs
        ]  # fmt: skip
        bids, asks, placed = columns_of(rows, 3)
        return bids, asks, placed


def _own_prices(inputs: FeatureInputs) -> tuple[float, float, int]:
    bid_cc, ask_cc = account.best_prices_cc(inputs)
    placed_us = max([order.placed_us for order in inputs.working])
    return UNKNOWN if bid_cc is None else bid_cc, UNKNOWN if ask_cc is None else ask_cc, placed_us


def _derived(of: Columns) -> _Derived:
    found: _Derived | None = of.__dict__.get("c52")
    if found is None:
        found = of.__dict__["c52"] = _Derived(of)
    return found


def _spread_regime(of: Columns) -> Column:
    return np.searchsorted((200, 500, 1_000, 2_000), of.spread_cc, side="right") / 4


def _total_volume(of: Columns) -> Column:
    bids, asks = _derived(of).volumes
    return np.log1p(2 * (bids + asks)) / math.log1p(10_000)


def _concentration(of: Columns) -> Column:
    bids, asks = of.totals_centi
    return _derived(of).levels[1] / (bids + asks)


def _since_update(of: Columns) -> Column:
    return np.where(of.changes > 1, (of.now_us - of.changed_us[-2]) / _SECOND_US / 300, 1.0)


def _time_of_day(of: Columns) -> Column:
    hour = of.now_us // _HOUR_US % 24
    return np.where((hour >= 9) & (hour <= 16), (hour - 9) / 7, 0.0)


def _activity_change(of: Columns) -> Column:
    newest, before = _derived(of).activities[-1], _derived(of).activities[-2]
    is_change = (of.changes > 1) & (of.moved_centi[-1] != of.moved_centi[-2])
    return np.where(is_change, np.tanh(newest - before), 0.0)


def _update_frequency(of: Columns) -> Column:
    earlier = np.minimum(of.changes - 1, 5)
    span_s = (of.now_us - of.changed_us[-6]) / _SECOND_US
    return np.where(earlier < 2, 0.1, earlier / np.maximum(span_s, 1.0) / 2)


def _burst(of: Columns) -> Column:
    derived = _derived(of)
    apart, newest = derived.activities_apart, derived.activities[-1]
    deviation = np.sqrt((apart * apart).sum(axis=0) / np.maximum(of.changes, 1))
    above = newest - (derived.mean_activity + 1.5 * deviation + 1e-9)
    is_burst = np.where(np.abs(above) < _CLOSE / 1_000, UNKNOWN, above > 0)
    return np.where(of.changes < 3, 0.0, is_burst)


def _trend(of: Columns) -> Column:
    count = of.changes
    places = _PLACES + count - (count - 1) / 2
    covariance = (places * _derived(of).activities_apart).sum(axis=0)
    trend = np.tanh(10 * covariance / ((count**3 - count) / 12))
    # Rounding may give it the other sign, and the single form may have exactly 0.
    return np.where(count < 5, 0.0, np.where(np.abs(trend) < _CLOSE, UNKNOWN, trend))


def _price_momentum(of: Columns) -> Column:
    mids_cc = of.mids_cc
    before, last = mids_cc[-2] - mids_cc[-3], mids_cc[-1] - mids_cc[-2]
    is_moved = (of.changes > 2) & (before != 0)
    return np.where(is_moved, np.tanh((last - before) / np.abs(before)), 0.0)


def _volatility_regime(of: Columns) -> Column:
    moves = of.moves_cc[-5:] / 100
    apart = moves - moves.sum(axis=0) / 5
    return np.where(of.changes < 6, 0.1, np.sqrt((apart * apart).sum(axis=0) / 5) / 5)


def _price_stability(of: Columns) -> Column:
    moves = of.moves_cc[-2:] / 100
    return np.where(of.changes > 2, 1 - (moves[0] + moves[1]) / 2 / 5, 0.5)


def _distance(of: Columns, own_cc: Column) -> Column:
    return np.where(np.isnan(own_cc), 0.0, np.abs(of.mid_cc - own_cc) / ONE_DOLLAR_CC)


C52_COLUMNS: Final[Mapping[Feature, Formula]] = {
    market.best_yes_bid: lambda of: of.bid_cc / ONE_DOLLAR_CC,
    market.best_yes_ask: lambda of: of.ask_cc / ONE_DOLLAR_CC,
    market.best_no_bid: lambda of: (ONE_DOLLAR_CC - of.ask_cc) / ONE_DOLLAR_CC,
    market.best_no_ask: lambda of: (ONE_DOLLAR_CC - of.bid_cc) / ONE_DOLLAR_CC,
    market.yes_mid_price_norm: lambda of: of.mid_cc / ONE_DOLLAR_CC,
    market.no_mid_price_norm: lambda of: (ONE_DOLLAR_CC - of.mid_cc) / ONE_DOLLAR_CC,
    market.yes_spread_cents: lambda of: of.spread_cc / ONE_DOLLAR_CC,
    market.yes_spread_pct: lambda of: of.spread_cc / of.mid_cc,
    market.no_spread_pct: lambda of: of.spread_cc / (ONE_DOLLAR_CC - of.mid_cc),
    market.yes_spread_regime: _spread_regime,
    market.total_volume_norm: _total_volume,
    market.volume_imbalance: lambda of: of.zeros,
    market.yes_side_imbalance: lambda of: _derived(of).side_imbalance,
    market.no_side_imbalance: lambda of: -_derived(of).side_imbalance,
    market.yes_no_consistency: lambda of: of.zeros,
    market.yes_microprice_norm: lambda of: _derived(of).micro_cc / ONE_DOLLAR_CC,
    market.no_microprice_norm: lambda of: (ONE_DOLLAR_CC - _derived(of).micro_cc) / ONE_DOLLAR_CC,
    market.yes_book_depth_norm: lambda of: _derived(of).levels[0] / 20,
    market.yes_liquidity_concentration: _concentration,
    temporal.time_since_last_update: _since_update,
    temporal.time_of_day_norm: _time_of_day,
    temporal.current_activity_score: lambda of: _derived(of).activities[-1],
    temporal.activity_change: _activity_change,
    temporal.update_frequency: _update_frequency,
    temporal.activity_burst_indicator: _burst,
    temporal.activity_trend: _trend,
    temporal.price_momentum: _price_momentum,
    temporal.volatility_regime: _volatility_regime,
    temporal.price_stability: _price_stability,
    **{each: partial(Columns.by_account, feature=each) for each in account.ACCOUNT_FEATURES[:11]},
    account.has_open_buy: lambda of: 1.0 - np.isnan(_derived(of).own_prices[0]),
    account.has_open_sell: lambda of: 1.0 - np.isnan(_derived(of).own_prices[1]),
    account.buy_distance_from_mid: lambda of: _distance(of, _derived(of).own_prices[0]),
    account.sell_distance_from_mid: lambda of: _distance(of, _derived(of).own_prices[1]),
    account.time_since_order: lambda of: (of.now_us - _derived(of).own_prices[2]) / _ORDER_AGE_US,
}
