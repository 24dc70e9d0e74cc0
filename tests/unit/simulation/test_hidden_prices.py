"""The hidden prices of fitted markets are a martingale, and outcomes are drawn by them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from truebook.simulation.synthetic.belief import WHOLE, Belief
from truebook.simulation.synthetic.presets import GOLD15M, SECOND_US

STEP_US = 10 * SECOND_US


def lived(seed: int, outcomes: int) -> tuple[list[int], list[int], list[int]]:
    """Prices at the opening, prices at the close, and settlement values of one event."""
    belief = Belief(Random(seed), outcomes, GOLD15M.value)
    opened = [belief.price_cc(market) for market in range(outcomes)]
    for left_us in range(900 * SECOND_US, 0, -STEP_US):
        belief.draw_move(STEP_US, left_us)
        belief.apply_move()
    return opened, [belief.price_cc(market) for market in range(outcomes)], belief.draw_settlement()


@pytest.mark.parametrize("outcomes", [1, 4])
def test_prices_and_outcomes_have_no_drift(outcomes: int) -> None:
    """Over 300 runs, the mean of what is gained by holding is within four standard errors of zero."""
    runs = [lived(seed, outcomes) for seed in range(300)]
    for closed in (1, 2):
        gains = [life[closed][0] - life[0][0] for life in runs]
        mean = sum(gains) / len(gains)
        error = (sum((gain - mean) ** 2 for gain in gains) / len(gains) ** 2) ** 0.5
        assert abs(mean) < 4 * error


def test_a_move_up_and_down_are_the_same_vector_with_equal_chance() -> None:
    belief = Belief(Random(5), 3, GOLD15M.value)
    seen: Counter[bool] = Counter()
    for _ in range(2_000):
        belief.draw_move(STEP_US, 600 * SECOND_US)
        assert sum(belief._move) == 0
        for weight, change in zip(belief._weights, belief._move, strict=True):
            assert weight - abs(change) > 0 and weight + abs(change) < WHOLE, "either sign leaves valid weights"
        if belief._move[0]:
            seen[belief._move[0] > 0] += 1
        belief.apply_move()
    assert sum(belief._weights) == WHOLE
    assert abs(seen[True] - seen[False]) < 200


def test_at_most_one_market_of_an_event_settles_at_yes() -> None:
    settlements = [lived(seed, 4)[2] for seed in range(50)]
    assert {sum(values) for values in settlements} <= {0, 10_000}
    assert any(sum(values) for values in settlements)


def test_the_price_is_mostly_known_before_the_close() -> None:
    last = [lived(seed, 1)[1][0] for seed in range(200)]
    decided = sum(not 500 <= price_cc <= 9_500 for price_cc in last)
    assert decided > 90
