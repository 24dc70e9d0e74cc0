"""Lets the ledger drop ended orders with the ids of their fills, once nothing can tell those fills again.

The ledger stamps an order's end by its own clock, which only decisions move. While none is made (a halt over a day)
that clock stands still, and what ends then looks old at once; forgotten too early, a fill that is told once more would
be booked twice. So what is forgotten ended before a ``Mark``: a moment of the exchange's time, by now far behind the
sweep of its data, at which the ledger's clock was read.
"""

from __future__ import annotations

from typing import NamedTuple

from truebook.ledger.facts import SWEPT
from truebook.ledger.port import LedgerStore
from truebook.runtime.context import Context
from truebook_services.reconciler.settings import ReconcilerSettings


class Mark(NamedTuple):
    """What ended after ``at_us`` was stamped with ``ledger_us`` or later."""

    at_us: int
    ledger_us: int


class Forgetting:
    """What the periodic frame runs."""

    def __init__(self, context: Context, settings: ReconcilerSettings, ledger: LedgerStore) -> None:
        self._context = context
        self._ledger = ledger
        self._after_us = int(settings.forget_after_s * 1e6)
        self._swept_behind_us = 2 * int(settings.overlap_s * 1e6)
        self._mark: Mark | None = None

    async def run(self) -> None:
        """Forget up to the last mark, if the sweep has passed it, and set the next one."""
        account = (await self._ledger.view(())).account
        mark, next_mark = self._mark, Mark(self._context.clock.now_us(), account.clock_us)
        if mark is None:
            self._mark = next_mark
        elif mark.at_us <= await self._ledger.watermark(SWEPT) - self._swept_behind_us:
            await self._forget(min(mark.ledger_us, next_mark.at_us - self._after_us))
            self._mark = next_mark

    async def _forget(self, before_us: int) -> None:
        """Drop part by part, so that no call blocks the ledger for long."""
        while before_us > 0:
            dropped = await self._ledger.forget(before_us)
            self._context.metrics.count("ledger_forgotten", dropped)
            if not dropped:
                break
