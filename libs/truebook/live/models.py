"""What the models decide: counts by minute, probabilities beside prices, and calibration by settled markets."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from truebook.live.system_views import ACTION_KINDS, ActionsMinute, CalibrationBin, ProbabilityPoint
from truebook.messages.actions import Action
from truebook.messages.envelope import BookSide
from truebook.messages.refusals import DecisionsCounted, decided_us
from truebook.money import ONE_DOLLAR_CC

MINUTE_US: Final = 60_000_000
MAX_MINUTES: Final = 180
MAX_PROBABILITIES: Final = 2_000
PROBABILITY_EVERY_US: Final = 5_000_000
"""Per market."""
BINS: Final = 10
MILLION: Final = 1_000_000
BOTH: Final = 2
QUOTE, BID, ASK, NONE = ACTION_KINDS


class LiveModels:
    """Counts since the start of this view."""

    def __init__(self) -> None:
        self._minutes: dict[int, Counter[str]] = {}
        self.probabilities: deque[ProbabilityPoint] = deque(maxlen=MAX_PROBABILITIES)
        self._bins: list[tuple[int, int, int]] = [(0, 0, 0)] * BINS
        """Per tenth: markets, sum of the probabilities, sum of the outcomes, both in millionths."""
        self.newest: Action | DecisionsCounted | None = None
        """The newest decision, or the newest counted ones."""

    def decided(self, action: Action) -> None:
        """Count a decision that was published."""
        self._count(action, kind_of(action), 1)

    def counted(self, counted: DecisionsCounted) -> None:
        """Count decisions that change nothing."""
        self._count(counted, NONE, sum(counted.counts.values()))

    def _count(self, decided: Action | DecisionsCounted, kind: str, count: int) -> None:
        at_us = decided_us(decided)
        minute = at_us // MINUTE_US * MINUTE_US
        counts = self._minutes.get(minute)
        if counts is None:
            counts = self._minutes[minute] = Counter()
            while len(self._minutes) > MAX_MINUTES:
                del self._minutes[min(self._minutes)]
        counts[kind] += count
        if self.newest is None or at_us >= decided_us(self.newest):
            self.newest = decided

    def add_probability(self, action: Action, fair_ppm: int) -> None:
        """Add a point to the probabilities."""
        self.probabilities.append(
            ProbabilityPoint(action.produced_us, action.ticker, fair_ppm, action.reference_cc)
        )  # fmt: skip

    def settled(self, fair_ppm: int, settlement_cc: int) -> None:
        """Count a settled market with its last probability."""
        place = min(BINS - 1, fair_ppm * BINS // MILLION)
        markets, probabilities, outcomes = self._bins[place]
        outcome_ppm = settlement_cc * (MILLION // ONE_DOLLAR_CC)
        self._bins[place] = (markets + 1, probabilities + fair_ppm, outcomes + outcome_ppm)

    def minutes(self) -> tuple[ActionsMinute, ...]:
        """Return the counts by minute, oldest first."""
        return tuple(
            ActionsMinute(at_us=minute, counts=dict(counts)) for minute, counts in sorted(self._minutes.items())
        )  # fmt: skip

    def calibration(self) -> tuple[CalibrationBin, ...]:
        """Return the bins with a settled market."""
        width = MILLION // BINS
        return tuple(
            CalibrationBin(
                from_ppm=place * width, to_ppm=(place + 1) * width, markets=markets,
                mean_fair_ppm=probabilities // markets, mean_settlement_ppm=outcomes // markets,
            )
            for place, (markets, probabilities, outcomes) in enumerate(self._bins)
            if markets
        )  # fmt: skip


def kind_of(action: Action) -> str:
    """Return the decision's kind, one of ``ACTION_KINDS``."""
    if not action.targets:
        return NONE
    if len(action.targets) == BOTH:
        return QUOTE
    return BID if action.targets[0].book_side is BookSide.BID else ASK
