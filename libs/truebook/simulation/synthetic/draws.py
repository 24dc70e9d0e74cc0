"""Weighted draws of the synthetic traders, with integers only: a seed gives the same ones on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from truebook.messages.envelope import BookSide
from truebook.money import ONE_DOLLAR_CC
from truebook.simulation.synthetic.presets import SizeBand

Drawn = TypeVar("Drawn")


def drawn(choices: Sequence[tuple[int, Drawn]], rng: Random) -> Drawn:
    """Draw one of (weight, value)."""
    point = rng.randrange(sum(weight for weight, _ in choices))
    for weight, value in choices:
        if point < weight:
            return value
        point -= weight
    raise AssertionError("the weights add up to their sum")


def draw_side(rng: Random) -> BookSide:
    """Draw a side, each with the same chance."""
    return BookSide.BID if rng.randrange(2) == 0 else BookSide.ASK


def draw_size(bands: tuple[SizeBand, ...], rng: Random) -> int:
    """Draw a size in 1/100 contract."""
    band = drawn(tuple((one.weight, one) for one in bands), rng)
    size_centi = band.low_centi + rng.randrange(band.high_centi - band.low_centi + 1)
    if band.whole_percent and rng.randrange(100) < band.whole_percent:
        return max(100, size_centi // 100 * 100)
    return size_centi


def draw_outcome(weights: Sequence[int], rng: Random) -> list[int]:
    """Draw the outcome of an event; the last weight is 'none of its markets'.

    Returns the YES value per market: 10,000 centi-cents for at most one of them, 0 for the others.
    """
    outcome = drawn([(weight, number) for number, weight in enumerate(weights)], rng)
    return [ONE_DOLLAR_CC if number == outcome else 0 for number in range(len(weights) - 1)]
