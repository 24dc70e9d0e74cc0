"""Collateral return between the markets of one event with at most one YES outcome (Kalshi: ``MECNET``).

Whoever holds NO in several of its markets loses at most one of them: the sum of the sizes less the largest one is paid
out in any case. With netting switched on, this amount is returned as soon as the positions exist, and later payouts are
reduced by what was returned before (Kalshi's help pages on collateral return; the formula follows from its example).
Only contracts bought after the switch take part. All cash is in micro-dollars, all sizes are in 1/100 contract.
"""

from __future__ import annotations

import msgspec

from truebook.money import ONE_DOLLAR_CC


class CollateralReturn(msgspec.Struct):
    """What one subaccount was returned in one event."""

    sizes: dict[str, int] = {}
    """NO contracts that take part, by market."""
    returned_micros: int = 0
    is_decided: bool = False
    """Whether a market of the event has settled at YES: nothing more is returned then."""

    def bought(self, ticker: str, before_centi: int, after_centi: int, *, is_on: bool) -> int:
        """Take a fill that changed the NO position of a market; returns the change of cash."""
        opened_centi = max(0, after_centi - before_centi) if is_on else 0
        return self._resized(ticker, min(self.sizes.get(ticker, 0) + opened_centi, after_centi))

    def settled(self, ticker: str, settlement_cc: int) -> int:
        """Take the settlement of a market after its payout; returns the change of cash."""
        if settlement_cc == ONE_DOLLAR_CC:
            self.is_decided = True
        return self._resized(ticker, 0)

    def at_risk_centi(self, ticker: str) -> int:
        """Return how many contracts of a market can't be sold without paying returned cash back.

        To sell one of them costs its price: what the sale pays is less than what was returned.
        """
        return min(self.sizes.get(ticker, 0), self.returned_micros // ONE_DOLLAR_CC)

    def _resized(self, ticker: str, size_centi: int) -> int:
        if size_centi:
            self.sizes[ticker] = size_centi
        else:
            self.sizes.pop(ticker, None)
        before_micros, self.returned_micros = self.returned_micros, self._sure_micros()
        return self.returned_micros - before_micros

    def _sure_micros(self) -> int:
        """Return what the positions pay in any case."""
        total = sum(self.sizes.values()) * ONE_DOLLAR_CC
        if self.is_decided:
            return min(self.returned_micros, total)
        return total - max(self.sizes.values(), default=0) * ONE_DOLLAR_CC
