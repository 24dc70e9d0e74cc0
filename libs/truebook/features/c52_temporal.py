"""Layout ``c52``, features 26 to 35: time and history.

All are computed from the market's own last ten book changes. The newest change is the *current* point, those before it
are *earlier*. The **activity** of a change is ln(1 + contracts that it moved) / ln(10,001), at most 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul, sub
from typing import Final

from truebook.features.feature import Feature, feature
from truebook.features.history import LENGTH
from truebook.features.inputs import FeatureInputs, once

_SECOND_US: Final = 1_000_000
_HOUR_US: Final = 3_600 * _SECOND_US
_CC_PER_CENT: Final = 100
_PLACES: Final = tuple(tuple(place - (count - 1) / 2 for place in range(count)) for count in range(LENGTH + 1))
"""For each number of changes, their places counted from the middle."""
_LOG_FULL_ACTIVITY: Final = math.log1p(10_000)


@once
def _activities(inputs: FeatureInputs) -> list[float]:
    shares = [change.moved_log / _LOG_FULL_ACTIVITY for change in inputs.history.changes]
    return shares if max(shares, default=0.0) <= 1.0 else [min(1.0, share) for share in shares]


@once
def _mean_activity(inputs: FeatureInputs) -> float:
    return _mean(_activities(inputs))


@once
def _activities_apart(inputs: FeatureInputs) -> list[float]:
    """The activities' distances from their mean."""
    mean = _mean_activity(inputs)
    return [activity - mean for activity in _activities(inputs)]


@once
def _moves_cents(inputs: FeatureInputs) -> list[float]:
    """The last five absolute moves of the mid price, in cents, oldest first; fewer where there were fewer."""
    mids_cc = inputs.mids_cc[-6:]
    return [abs(move) / _CC_PER_CENT for move in map(sub, mids_cc[1:], mids_cc)]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _deviation(apart: Sequence[float]) -> float:
    """Standard deviation of the whole population, from the distances from its mean."""
    return math.sqrt(math.fsum(map(mul, apart, apart)) / len(apart))


@feature()
def time_since_last_update(inputs: FeatureInputs) -> float:
    """Seconds since the change before the current one / 300, at most 1; 1 where there is none."""
    changes = inputs.history.changes
    return (inputs.now_us - changes[-2].at_us) / _SECOND_US / 300 if len(changes) > 1 else 1.0


@feature()
def time_of_day_norm(inputs: FeatureInputs) -> float:
    """(Hour − 9) / 7 in the hours 9 to 16 of the exchange's UTC time, else 0."""
    hour = inputs.now_us // _HOUR_US % 24
    return (hour - 9) / 7 if 9 <= hour <= 16 else 0.0


@feature()
def current_activity_score(inputs: FeatureInputs) -> float:
    """Activity of the current change; 0 without history."""
    activities = _activities(inputs)
    return activities[-1] if activities else 0.0


@feature(low=-1.0)
def activity_change(inputs: FeatureInputs) -> float:
    """tanh of the current activity − the one before; 0 with less than two changes."""
    activities = _activities(inputs)
    return math.tanh(activities[-1] - activities[-2]) if len(activities) > 1 else 0.0


@feature()
def update_frequency(inputs: FeatureInputs) -> float:
    """Half of the changes per second over the up to five earlier ones to now (at least 1 s); 0.1 with less than two."""
    changes = inputs.history.changes
    earlier = min(len(changes) - 1, 5)
    if earlier < 2:
        return 0.1
    span_s = (inputs.now_us - changes[-1 - earlier].at_us) / _SECOND_US
    return earlier / max(span_s, 1.0) / 2


@feature()
def activity_burst_indicator(inputs: FeatureInputs) -> float:
    """1 where the current activity is above mean + 1.5 deviations of all changes kept (three or more), else 0."""
    activities = _activities(inputs)
    if len(activities) < 3:
        return 0.0
    # The margin keeps the last bit of a mean of equal activities from being a burst.
    return float(activities[-1] > _mean_activity(inputs) + 1.5 * _deviation(_activities_apart(inputs)) + 1e-9)


@feature(low=-1.0)
def activity_trend(inputs: FeatureInputs) -> float:
    """tanh of 10 × the least-squares slope of activity per change, over five changes or more; else 0."""
    count = len(inputs.history.changes)
    if count < 5:
        return 0.0
    covariance = math.fsum(map(mul, _PLACES[count], _activities_apart(inputs)))
    # The sum of the squares of these places is (count³ − count) / 12.
    return math.tanh(10 * covariance / ((count**3 - count) / 12))


@feature(low=-1.0)
def price_momentum(inputs: FeatureInputs) -> float:
    """tanh of (last move − move before) / |move before| of the mid; 0 with less than three mids or no move before."""
    mids = inputs.mids_cc[-3:]
    if len(mids) < 3 or mids[1] == mids[0]:
        return 0.0
    before, last = mids[1] - mids[0], mids[2] - mids[1]
    return math.tanh((last - before) / abs(before))


@feature()
def volatility_regime(inputs: FeatureInputs) -> float:
    """Deviation of the last five absolute moves of the mid, in cents / 5, at most 1; 0.1 with less than six mids."""
    moves = _moves_cents(inputs)
    if len(moves) < 5:
        return 0.1
    mean = _mean(moves)
    return _deviation([move - mean for move in moves]) / 5


@feature()
def price_stability(inputs: FeatureInputs) -> float:
    """1 − mean absolute move over the last three mids, in cents / 5, at least 0; 0.5 with less than three mids."""
    moves = _moves_cents(inputs)
    return 1 - math.fsum(moves[-2:]) / 2 / 5 if len(moves) > 1 else 0.5


TEMPORAL_FEATURES: Final[tuple[Feature, ...]] = (
    time_since_last_update, time_of_day_norm, current_activity_score, activity_change, update_frequency,
    activity_burst_indicator, activity_trend, price_momentum, volatility_regime, price_stability,
)  # fmt: skip
