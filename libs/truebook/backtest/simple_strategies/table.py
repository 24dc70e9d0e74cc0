"""What each strategy earned over many seeds, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from truebook.backtest.analysis.bootstrap import MoneyInterval
from truebook.backtest.simple_strategies.trial import TrialResult

Z: Final = 1.96
"""An interval of 95 % of a mean of many independent trials: mean plus or minus so many standard errors."""


class MeanMicros(msgspec.Struct, frozen=True):
    """A mean in micro-dollars, and its interval of 95 %."""

    mean_micros: int
    interval: MoneyInterval


class StrategyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy over all trials; money is per trial."""

    strategy: str
    trials: int
    pnl: MeanMicros
    """Realized and valued as ``TrialResult.pnl_micros``."""
    edge: MeanMicros
    """The same expectation with less noise: ``TrialResult.edge_micros``."""
    fees_micros: int
    traded_centi: int
    """Per trial."""

    @property
    def earns(self) -> bool:
        """Whether it earns beyond the noise of the seeds."""
        return self.edge.interval.low_micros > 0 or self.pnl.interval.low_micros > 0


def summarize(results: Iterable[TrialResult]) -> list[StrategyRow]:
    """Return a row for each strategy, raises ``ValueError`` for fewer than two trials of one."""
    by_strategy: dict[str, list[TrialResult]] = {}
    for one in results:
        by_strategy.setdefault(one.strategy, []).append(one)
    return [
        StrategyRow(
            strategy=name, trials=len(trials), pnl=mean([one.pnl_micros for one in trials]),
            edge=mean([one.edge_micros for one in trials]),
            fees_micros=sum(one.fees_micros for one in trials) // len(trials),
            traded_centi=sum(one.traded_centi for one in trials) // len(trials),
        )
        for name, trials in by_strategy.items()
    ]  # fmt: skip


def mean(values: Sequence[int]) -> MeanMicros:
    """Return the mean of independent values and its interval, rounded outwards."""
    if len(values) < 2:
        raise ValueError(f"an interval needs at least two trials, got {len(values)}")
    center = sum(values) / len(values)
    variance = sum((value - center) ** 2 for value in values) / (len(values) - 1)
    reach = Z * math.sqrt(variance / len(values))
    return MeanMicros(round(center), MoneyInterval(math.floor(center - reach), math.ceil(center + reach)))
