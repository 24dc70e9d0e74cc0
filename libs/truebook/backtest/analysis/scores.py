"""How good probabilities are: Brier score, log loss and calibration, of a model and of the market's own price.

Predictions within a market share one outcome, and the outcomes of an event's markets depend on each other, so the event
is the unit of evidence: a score is the mean over events of the mean within each event, and intervals resample events.
Lower scores are better.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from truebook.backtest.analysis.bootstrap import Floats, Interval, Ints, mean_interval, ratio_interval

MIN_PROBABILITY: Final = 1e-4
"""A price of 0 or 1 is read as 1/100 cent away from it: the log loss of a certainty that fails is infinite."""
BINS: Final = 10


class Predictions(NamedTuple):
    """Equal-long columns, one row per prediction of a market whose outcome is known.

    ``event``: number of the market's event; ``model`` and ``price``: probabilities of YES, 0..1; ``outcome``: the
    settled value of one YES contract in dollars, 0..1.
    """

    event: Ints
    model: Floats
    price: Floats
    outcome: Floats


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One score of the model and of the market's price.

    ``difference`` is the model's less the price's: below 0, the model is better.
    """

    model: float
    market: float
    difference: float
    difference_interval: Interval | None
    """Null for too few events."""


class CalibrationBin(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions whose probability is in [low, high); the last bin includes 1."""

    low: float
    high: float
    predictions: int
    events: int
    mean_predicted: float
    observed: float
    """Mean outcome."""
    observed_interval: Interval | None
    """Over resampled events; null for too few."""


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """Scores over ``events`` events with ``predictions`` predictions."""

    predictions: int
    events: int
    brier: Score
    log_loss: Score
    model_calibration: tuple[CalibrationBin, ...]
    market_calibration: tuple[CalibrationBin, ...]


def scores_of(predictions: Predictions) -> Scores | None:
    """Score the predictions; None without any."""
    count = len(predictions.event)
    if count == 0:
        return None
    outcome = predictions.outcome
    return Scores(
        predictions=count,
        events=len(np.unique(predictions.event)),
        brier=_score(predictions, brier(predictions.model, outcome), brier(predictions.price, outcome)),
        log_loss=_score(predictions, log_loss(predictions.model, outcome), log_loss(predictions.price, outcome)),
        model_calibration=calibration(predictions.event, predictions.model, outcome),
        market_calibration=calibration(predictions.event, predictions.price, outcome),
    )


def brier(probability: Floats, outcome: Floats) -> Floats:
    """Return the squared error of each prediction (Brier, 1950)."""
    return np.square(probability - outcome)


def brier_by_event(predictions: Predictions) -> dict[int, float]:
    """Return the model's mean Brier score of each event by the event's number."""
    numbers, unit = np.unique(predictions.event, return_inverse=True)
    losses = brier(predictions.model, predictions.outcome)
    return dict(zip(numbers.tolist(), _means(unit, losses).tolist(), strict=True))


def log_loss(probability: Floats, outcome: Floats) -> Floats:
    """Return the negative log-likelihood of each prediction, in nats."""
    bounded = np.clip(probability, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return -(outcome * np.log(bounded) + (1 - outcome) * np.log1p(-bounded))


def calibration(event: Ints, probability: Floats, outcome: Floats) -> tuple[CalibrationBin, ...]:
    """Compare the predicted with the observed frequency in bins of equal width; empty bins are left out."""
    index = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    bins = []
    for each in range(BINS):
        chosen = index == each
        if not chosen.any():
            continue
        _, unit = np.unique(event[chosen], return_inverse=True)
        sizes = np.bincount(unit).astype(np.float64)
        bins.append(
            CalibrationBin(
                low=each / BINS,
                high=(each + 1) / BINS,
                predictions=int(chosen.sum()),
                events=len(sizes),
                mean_predicted=float(probability[chosen].mean()),
                observed=float(outcome[chosen].mean()),
                observed_interval=ratio_interval(np.bincount(unit, weights=outcome[chosen]), sizes),
            )
        )
    return tuple(bins)


def _score(predictions: Predictions, model: Floats, market: Floats) -> Score:
    _, unit = np.unique(predictions.event, return_inverse=True)
    of_model, of_market = _means(unit, model), _means(unit, market)
    return Score(
        model=float(of_model.mean()),
        market=float(of_market.mean()),
        difference=float((of_model - of_market).mean()),
        difference_interval=mean_interval(of_model - of_market),
    )


def _means(unit: NDArray[np.intp], values: Floats) -> Floats:
    means: Floats = np.bincount(unit, weights=values) / np.bincount(unit)
    return means
