"""The hidden fair values of a synthetic event's markets: a random walk.

The weights of the outcomes (and of 'none of them') walk; a market's fair price is its outcome's share of the sum. So
the prices of an exclusive event are consistent, and at most one market can settle at YES. Integers only: a seed gives
the same walk on every machine.
"""

from __future__ import annotations

from random import Random
from typing import Final

from truebook.money import ONE_DOLLAR_CC
from truebook.simulation.synthetic.draws import draw_outcome

WHOLE: Final = 1_000_000
_MIN_WEIGHT: Final = 20_000
_STEP_BP: Final = 150
_JUMP_BP: Final = 1_600
_BASIS: Final = 10_000


class FairValues:
    """The hidden weights of one event's outcomes; all draws come from the given generator."""

    def __init__(self, rng: Random, outcomes: int) -> None:
        self._rng = rng
        self._weights = [WHOLE // 5 + rng.randrange(WHOLE * 3 // 5) for _ in range(outcomes)]
        # The last weight is 'none of them'; a single market's complement must be as likely as the market itself.
        none = WHOLE // 5 + rng.randrange(WHOLE * 3 // 5)
        self._weights.append(none if outcomes == 1 else none // 3)
        self._normalize()

    def fair_cc(self, outcome: int) -> int:
        """Return a market's fair YES price, strictly inside (0, $1)."""
        return self._weights[outcome] * ONE_DOLLAR_CC // sum(self._weights)

    def step(self) -> bool:
        """Move all weights a little; one step in twelve is a jump. Returns whether it was one."""
        jump = self._rng.randrange(12) == 0
        reach = _JUMP_BP if jump else _STEP_BP
        self._weights = [
            weight * (_BASIS + self._rng.randrange(-reach, reach + 1)) // _BASIS for weight in self._weights
        ]
        self._normalize()
        return jump

    def draw_settlement(self) -> list[int]:
        """Draw the outcome by the weights: the YES value per market, 10,000 for at most one of them."""
        return draw_outcome(self._weights, self._rng)

    def _normalize(self) -> None:
        total = sum(self._weights)
        self._weights = [max(_MIN_WEIGHT, weight * WHOLE // total) for weight in self._weights]
