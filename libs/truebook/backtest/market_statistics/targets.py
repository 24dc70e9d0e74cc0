"""What presets are fitted to: statistics of recorded markets, by ``truebook data statistics``."""

from __future__ import annotations

from typing import Final

from truebook.backtest.market_statistics.table import Statistic
from truebook.simulation.synthetic.presets import Preset

GOLD15M: Final = (
    Statistic("spread, ¢, 50 %", 1.0),
    Statistic("spread, ¢, 90 %", 3.0),
    Statistic("spread, ¢, 99 %", 6.0),
    Statistic("mean spread, ¢", 1.634),
    Statistic("size at the best price, 10 %", 15.0),
    Statistic("size at the best price, 25 %", 45.78),
    Statistic("size at the best price, 50 %", 124.6),
    Statistic("size at the best price, 75 %", 524.8),
    Statistic("size at the best price, 90 %", 2098.0),
    Statistic("size up to 5 ¢ behind it, 10 %", 120.0),
    Statistic("size up to 5 ¢ behind it, 25 %", 243.0),
    Statistic("size up to 5 ¢ behind it, 50 %", 2115.0),
    Statistic("size up to 5 ¢ behind it, 75 %", 2340.0),
    Statistic("size up to 5 ¢ behind it, 90 %", 2652.0),
    Statistic("price levels of a side, 10 %", 10.0),
    Statistic("price levels of a side, 50 %", 28.0),
    Statistic("price levels of a side, 90 %", 48.0),
    Statistic("changes a second", 60.72),
    Statistic("changes in a second, 50 %", 40.0),
    Statistic("changes in a second, 90 %", 155.0),
    Statistic("variance of changes in a second : mean", 66.86),
    Statistic("share of changes within 1 ms of the last", 0.52),
    Statistic("pause between changes, 99 %, ms", 293.0),
    Statistic("share of changes at the best price", 0.2095),
    Statistic("share of increases that move an equal size", 0.3149),
    Statistic("size of an increase, 25 %", 10.0),
    Statistic("size of an increase, 50 %", 25.0),
    Statistic("size of an increase, 75 %", 54.0),
    Statistic("size of an increase, 90 %", 100.0),
    Statistic("size of an increase, 99 %", 2000.0),
    Statistic("share of cancels in what leaves the best price", 0.952),
    Statistic("trades a second", 1.581),
    Statistic("size of a trade, 5 %", 0.1),
    Statistic("size of a trade, 25 %", 2.68),
    Statistic("size of a trade, 50 %", 10.0),
    Statistic("size of a trade, 75 %", 25.0),
    Statistic("size of a trade, 90 %", 50.0),
    Statistic("size of a trade, 99 %", 295.2),
    Statistic("share of fractional trades", 0.6007),
    Statistic("move of the mid in 1 s, r.m.s., ¢", 1.403),
    Statistic("move of the mid in 1 s, ¢, 90 %", 1.5),
    Statistic("move of the mid in 1 s, ¢, 99 %", 5.5),
    Statistic("share of 1 s without a move", 0.6298),
    Statistic("move of the mid in 10 s, r.m.s., ¢", 4.904),
    Statistic("move of the mid in 10 s, ¢, 50 %", 2.0),
    Statistic("move of the mid in 10 s, ¢, 90 %", 7.0),
    Statistic("move of the mid in 10 s, ¢, 99 %", 18.5),
    Statistic("move of the mid in 60 s, r.m.s., ¢", 12.29),
    Statistic("move of the mid in 60 s, ¢, 50 %", 5.5),
    Statistic("move of the mid in 60 s, ¢, 90 %", 19.5),
    Statistic("move of the mid in 60 s, ¢, 99 %", 44.12),
    Statistic("trades a second in the last 2 min : in all", 0.7594),
    Statistic("changes a second in the last 2 min : in all", 0.3757),
)
"""Sixteen markets of fifteen minutes on the price of gold, production, August 2026."""

TARGETS: Final[dict[Preset, tuple[Statistic, ...]]] = {Preset.GOLD15M: GOLD15M}
