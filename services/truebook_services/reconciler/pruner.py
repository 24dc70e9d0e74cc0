"""Prune ended orders with their fills, settled markets and ended transfers, once their fills cannot be reported again.

The ledger stamps an order's end by its own clock, which only decisions advance. Without decisions (a halt of a day) it
does not advance, so an order that ends then looks old immediately; if it were pruned too early, a repeated fill would
be recorded twice. Only orders that ended before a ``Mark`` are pruned: a moment of exchange time, by now far
behind the sweep of the exchange's data, at which the ledger's clock was read.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from truebook.clock import MICROS
from truebook.ledger.exchange_reports import ADDED_UP, read_up_to_us
from truebook.ledger.port import LedgerStore
from truebook.ledger.verbs import AdvanceWatermark, Prune
from truebook.runtime.context import Context
from truebook_services.reconciler.settings import ReconcilerSettings

HOUR_US: Final = 3_600 * MICROS
TRANSFERS_KEPT_US: Final = 7 * 24 * HOUR_US
"""Ended transfers between shards are kept for a week: the treasurer's limit of a day, and those who look."""
TRANSFERS_MARGIN_US: Final = HOUR_US
"""A transfer that is added up was requested so much before the watermark that the exchange made it before it."""


class Mark(NamedTuple):
    """Orders that ended after ``at_us`` are stamped with ``ledger_us`` or later."""

    at_us: int
    ledger_us: int


class Pruner:
    """Runs periodically."""

    def __init__(self, context: Context, settings: ReconcilerSettings, ledger: LedgerStore) -> None:
        self._context = context
        self._ledger = ledger
        self._after_us = int(settings.retention_s * 1e6)
        self._swept_behind_us = 2 * int(settings.overlap_s * 1e6)
        self._mark: Mark | None = None

    async def run(self) -> None:
        """Prune up to the last mark, if the sweep has passed it, and set the next one."""
        account = (await self._ledger.view(())).account
        mark, next_mark = self._mark, Mark(self._context.clock.now_us(), account.clock_us)
        if mark is None:
            self._mark = next_mark
        elif mark.at_us <= await read_up_to_us(self._ledger) - self._swept_behind_us:
            before_us = min(mark.ledger_us, next_mark.at_us - self._after_us)
            if before_us > 0:
                await self._prune(before_us, max(0, next_mark.at_us - TRANSFERS_KEPT_US))
            self._mark = next_mark

    async def _prune(self, before_us: int, transfers_us: int) -> None:
        """Prune in parts, so that no call blocks the ledger for long."""
        # First the watermark: what is added up must not be reported again.
        await self._ledger.apply(AdvanceWatermark(name=ADDED_UP, to_us=transfers_us))
        verb = Prune(
            terminal_before_us=before_us, settled_before_us=before_us,
            transfers_before_us=max(0, transfers_us - TRANSFERS_MARGIN_US),
        )  # fmt: skip
        while True:
            dropped = await self._ledger.apply(verb)
            self._context.metrics.count("ledger_records_pruned", dropped)
            if not dropped:
                break
