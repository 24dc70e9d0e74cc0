"""The hidden prices of a fitted event: an exact martingale, of which at most one market ends at YES.

The weights of all outcomes, 'none of them' included, always have the same sum, and a market's hidden price is its
outcome's weight. A move adds a vector to the weights or subtracts the same vector, each with the same chance; the
outcome is drawn by the last weights. So no price is expected to rise or fall, whatever is known of the past. Integers
only: a seed gives the same moves on every machine.

The size of a move is that of what is learned in a time dt, with a time T left until all is known: that of the price p
of a binary option on a Brownian motion, phi(Phi^-1(p)) sqrt(dt / T). So prices near 0 and $1 move little, and moves
grow before the close. phi(Phi^-1(p)) is approximated by phi(0) (4 p (1 - p))^(3/4): 2 % off at 20 cents, 6 % at 10,
12 % at 5.
"""

from __future__ import annotations

from math import isqrt
from random import Random
from typing import Final

from truebook.money import ONE_DOLLAR_CC
from truebook.simulation.synthetic.draws import draw_outcome, drawn
from truebook.simulation.synthetic.presets import ValueSteps

WHOLE: Final = 100_000_000
_PER_CC: Final = WHOLE // ONE_DOLLAR_CC
_MIN_WEIGHT: Final = WHOLE // 1_000
_VEGA_PERMILLE: Final = 399
"""phi(0), at p = 1/2."""
_ROOT: Final = 1_000_000


class Belief:
    """The hidden weights of one event's outcomes; all draws come from the given generator."""

    def __init__(self, rng: Random, outcomes: int, steps: ValueSteps) -> None:
        self._rng = rng
        self._outcomes = outcomes
        self._steps = steps
        if outcomes == 1:
            low_ppm, high_ppm = steps.open_ppm
            weight = WHOLE // 1_000_000 * rng.randrange(low_ppm, high_ppm + 1)
            self._weights = [weight, WHOLE - weight]
        else:
            shares = [20 + rng.randrange(80) for _ in range(outcomes)] + [10]
            self._weights = [WHOLE // sum(shares) * share for share in shares]
            self._weights[-1] += WHOLE - sum(self._weights)
        self._move = [0] * (outcomes + 1)

    def price_cc(self, outcome: int) -> int:
        """Return a market's hidden price, 0 to 10,000, rounded."""
        return (self._weights[outcome] + _PER_CC // 2) // _PER_CC

    def next_move_cc(self, outcome: int) -> int:
        """Return the change of a market's price by the next move, rounded towards 0."""
        move = self._move[outcome]
        return move // _PER_CC if move >= 0 else -(-move // _PER_CC)

    def draw_move(self, dt_us: int, left_us: int) -> None:
        """Draw the next move, for the information of ``dt_us`` with ``left_us`` until all is known."""
        outcome = self._rng.randrange(self._outcomes) if self._outcomes > 1 else 0
        weight = self._weights[outcome]
        size = self.usual_size(outcome, dt_us, left_us) * self._factor() // 1_000
        room = min(weight, WHOLE - weight) - _MIN_WEIGHT
        size = max(0, min(size, room * 7 // 10))
        others = WHOLE - weight
        move = [-size * other // others for other in self._weights]
        move[outcome] = size
        # What rounding leaves goes to the largest other weight.
        largest = max((number for number in range(len(move)) if number != outcome), key=self._weights.__getitem__)
        move[largest] -= sum(move)
        up = self._rng.randrange(2) == 0
        self._move = move if up else [-change for change in move]

    def usual_size(self, outcome: int, dt_us: int, left_us: int) -> int:
        """Return the standard deviation of a move, before its random factor, in weight."""
        weight = self._weights[outcome]
        half = isqrt(4 * weight * (WHOLE - weight))  # WHOLE at p = 1/2
        vega = half * isqrt(half * WHOLE) // WHOLE * _VEGA_PERMILLE // 1_000
        root = isqrt(_ROOT * _ROOT * dt_us // max(1, left_us))
        return vega * root // _ROOT * self._steps.scale_permille // 1_000

    def usual_cc(self, outcome: int, dt_us: int, left_us: int) -> int:
        """Return the same in 1/100 cent."""
        return self.usual_size(outcome, dt_us, left_us) // _PER_CC

    def apply_move(self) -> None:
        """Apply the drawn move."""
        self._weights = [weight + change for weight, change in zip(self._weights, self._move, strict=True)]

    def draw_settlement(self) -> list[int]:
        """Draw the outcome by the weights: the YES value per market, 10,000 for at most one of them."""
        return draw_outcome(self._weights, self._rng)

    def _factor(self) -> int:
        """Draw the factor of a move's size, in 1/1,000."""
        return drawn(self._steps.shape, self._rng) * (700 + self._rng.randrange(601)) // 1_000
