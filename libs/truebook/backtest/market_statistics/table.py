"""The statistics of a market or of several, as rows, and their comparison with a target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from truebook.backtest.market_statistics.samples import HORIZONS_S, MarketSamples, joined

WITHIN: Final = 1.5
"""The largest ratio of a value and its target that counts as equal."""
_CENT_CC: Final = 100.0
_CONTRACT: Final = 100.0
_Values = NDArray[Any]


class Statistic(msgspec.Struct, frozen=True):
    """One row: its name and value; null where nothing was measured."""

    name: str
    value: float | None


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A row beside its target."""

    name: str
    value: float | None
    target: float | None

    @property
    def ratio(self) -> float | None:
        """The value as a multiple of the target; null where either is unknown or the target is 0."""
        return None if self.value is None or not self.target else self.value / self.target

    @property
    def is_within(self) -> bool | None:
        """Whether the ratio is within a factor of ``WITHIN``; null where it is not known, unless both are 0."""
        if self.value is not None and self.value == self.target:
            return True
        return None if self.ratio is None else 1 / WITHIN <= self.ratio <= WITHIN


def statistics_of(markets: Sequence[MarketSamples]) -> list[Statistic]:
    """Return the rows. Quantiles are over the samples of all markets; rates are the median of the markets' own."""
    pooled = joined(markets)
    adds = pooled.changes_centi[pooled.changes_centi > 0]
    return [
        *_quantiles("spread, ¢", pooled.spread_cc / _CENT_CC, (0.5, 0.9, 0.99)),
        Statistic("mean spread, ¢", _mean(pooled.spread_cc / _CENT_CC)),
        *_quantiles("size at the best price", pooled.best_centi / _CONTRACT, (0.1, 0.25, 0.5, 0.75, 0.9)),
        *_quantiles("size up to 5 ¢ behind it", pooled.behind_centi / _CONTRACT, (0.1, 0.25, 0.5, 0.75, 0.9)),
        *_quantiles("price levels of a side", pooled.levels, (0.1, 0.5, 0.9)),
        Statistic("changes a second", _median([_mean(one.updates) for one in markets])),
        *_quantiles("changes in a second", pooled.updates, (0.5, 0.9)),
        Statistic("variance of changes in a second : mean", _median([_dispersion(one) for one in markets])),
        Statistic("share of changes within 1 ms of the last", _mean(pooled.gaps_us < 1_000)),
        Statistic("pause between changes, 99 %, ms", _quantile(pooled.gaps_us / 1_000, 0.99)),
        Statistic("share of changes at the best price", _mean(pooled.is_at_best)),
        Statistic("share of increases that move an equal size", _ratio(pooled.repriced)),
        *_quantiles("size of an increase", adds / _CONTRACT, (0.25, 0.5, 0.75, 0.9, 0.99)),
        Statistic("share of cancels in what leaves the best price", _cancelled(pooled)),
        Statistic("trades a second", _median([_trade_rate(one) for one in markets])),
        *_quantiles("size of a trade", pooled.trades_centi / _CONTRACT, (0.05, 0.25, 0.5, 0.75, 0.9, 0.99)),
        Statistic("share of fractional trades", _mean(pooled.trades_centi % 100 != 0)),
        *_move_rows(pooled),
        Statistic("trades a second in the last 2 min : in all", _late(pooled.late, 0, 3)),
        Statistic("changes a second in the last 2 min : in all", _late(pooled.late, 1, 4)),
    ]


def compare(found: Sequence[Statistic], targets: Sequence[Statistic]) -> list[Compared]:
    """Compare rows by name, in the order found; a row that only the target has is left out."""
    by_name = {one.name: one.value for one in targets}
    return [Compared(name=one.name, value=one.value, target=by_name.get(one.name)) for one in found]


def _move_rows(pooled: MarketSamples) -> list[Statistic]:
    rows = []
    for horizon_s, moves in zip(HORIZONS_S, pooled.moves, strict=True):
        cents = moves / (2 * _CENT_CC)
        squared = _mean(cents**2)
        rows.append(
            Statistic(f"move of the mid in {horizon_s} s, r.m.s., ¢", None if squared is None else squared**0.5)
        )
        quantiles = (0.5, 0.9, 0.99) if horizon_s > HORIZONS_S[0] else (0.9, 0.99)
        rows += _quantiles(f"move of the mid in {horizon_s} s, ¢", cents, quantiles)
        if horizon_s == HORIZONS_S[0]:
            rows.append(Statistic(f"share of {horizon_s} s without a move", _mean(moves == 0)))
    return rows


def _quantiles(name: str, values: _Values, shares: Sequence[float]) -> list[Statistic]:
    return [Statistic(f"{name}, {100 * share:.0f} %", _quantile(values, share)) for share in shares]


def _quantile(values: _Values, share: float) -> float | None:
    return float(np.quantile(values, share)) if len(values) else None


def _mean(values: _Values) -> float | None:
    return float(values.mean()) if len(values) else None


def _median(values: Sequence[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return float(np.median(known)) if known else None


def _dispersion(market: MarketSamples) -> float | None:
    mean = _mean(market.updates)
    return float(market.updates.var()) / mean if mean else None


def _ratio(counts: _Values) -> float | None:
    part, whole = counts.sum(axis=0).tolist()
    return part / whole if whole else None


def _cancelled(pooled: MarketSamples) -> float | None:
    left = int(pooled.left_best_centi.sum())
    return 1 - int(pooled.trades_centi.sum()) / left if left else None


def _trade_rate(market: MarketSamples) -> float | None:
    open_s = int(market.open_s.sum())
    return len(market.trades_centi) / open_s if open_s else None


def _late(late: _Values, part: int, whole: int) -> float | None:
    sums = late.sum(axis=0).tolist()
    late_rate, rate = sums[part] / sums[2], sums[whole] / sums[5]
    return late_rate / rate if rate else None


def observed_s(markets: Sequence[MarketSamples]) -> int:
    """Return the seconds in which the markets were open."""
    return int(sum(int(one.open_s.sum()) for one in markets))
