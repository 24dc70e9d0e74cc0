"""Positions and balance against the ledger, round by round, and what follows from a difference that stays.

Each round first tells the ledger every fill and settlement of the exchange's data; only what differs after that, with
the same amount in several rounds, is a residue. A small one of cash is booked, visibly, as an adjustment; everything
else halts trading until both sides agree again or a person has looked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from truebook.kalshi.port import RestClient
from truebook.ledger.facts import persist
from truebook.ledger.port import LedgerStore
from truebook.ledger.reconcile import Difference, Kind
from truebook.messages.ids import digest
from truebook.runtime.context import Context
from truebook_services.reconciler.compare import Reading, read_both
from truebook_services.reconciler.repair import Repair
from truebook_services.reconciler.settings import ReconcilerSettings
from truebook_services.reconciler.startup import OWNER

DIFFERENCE_HOLD: Final = "difference"
NETTING_HOLD: Final = "netting"
TRANSIENT: Final = frozenset({Kind.UNKNOWN_ORDER, Kind.FOREIGN_ORDER})
"""Not yet decided, or not ours: neither is a fault of the books."""


class Accountant:
    """Compares the account and remembers which differences stay."""

    def __init__(
        self, context: Context, settings: ReconcilerSettings, rest: RestClient, ledger: LedgerStore, repair: Repair
    ) -> None:
        self._context = context
        self._settings = settings
        self._rest = rest
        self._ledger = ledger
        self._repair = repair
        self._seen: dict[tuple[Kind, str, int], tuple[int, int]] = {}
        """Per difference: in how many rounds in a row it was seen, and since when (steady local time)."""

    @property
    def suspicious(self) -> bool:
        """Something differed in the last round: compare again soon."""
        return bool(self._seen)

    async def compare(self) -> bool:
        """Run one round; true where both sides agree."""
        await self._check_netting()
        await self._repair.facts()
        reading = await read_both(self._rest, self._ledger)
        found = [difference for difference in reading.differences() if difference.kind not in TRANSIENT]
        self._context.metrics.gauge("ledger_differences", len(found))
        lasting = self._remember(found)
        if not found:
            await self._ledger.release(DIFFERENCE_HOLD, OWNER)
        for difference in found:
            self._context.log.warning("ledger and exchange differ", difference=str(difference))
        if lasting and len(lasting) == len(found):
            await self._act(lasting, reading)
        return not found

    def _remember(self, found: Sequence[Difference]) -> list[Difference]:
        """Note what was found; answers the differences that have stayed the same for long enough."""
        now_us = self._context.clock.monotonic_us()
        latest_us = now_us - int(self._settings.persist_s * 1e6)
        seen: dict[tuple[Kind, str, int], tuple[int, int]] = {}
        lasting: list[Difference] = []
        for difference in found:
            key = (difference.kind, difference.ticker, difference.amount)
            rounds, since_us = self._seen.get(key, (0, now_us))
            seen[key] = (rounds + 1, since_us)
            if rounds + 1 >= self._settings.persist_rounds and since_us <= latest_us:
                lasting.append(difference)
        self._seen = seen
        return lasting

    async def _act(self, lasting: Sequence[Difference], reading: Reading) -> None:
        """Book a small residue of cash; halt for anything else."""
        residue = lasting[0]
        only_cash = len(lasting) == 1 and residue.kind is Kind.CASH
        if only_cash and abs(residue.amount) <= self._settings.adjust_at_most_micros:
            if reading.exact:
                await self._adjust(residue, reading)
            return
        await persist(self._context.clock, lambda: self._ledger.hold(DIFFERENCE_HOLD, "halted", OWNER))
        self._context.log.error("halted: ledger and exchange differ", differences=[str(one) for one in lasting])

    async def _adjust(self, residue: Difference, reading: Reading) -> None:
        adjust_id = digest("residue", reading.view.account.ledger_seq, residue.amount)
        answer = await self._ledger.adjust(adjust_id, residue.amount, "residue", str(residue))
        self._context.log.warning("residue booked", amount_micros=residue.amount, answer=answer)
        self._seen.clear()

    async def _check_netting(self) -> None:
        if await self._rest.cross_market_netting():
            await self._ledger.hold(NETTING_HOLD, "halted", OWNER)
            self._context.log.error("the account nets across markets, which the ledger does not: switch it off")
        else:
            await self._ledger.release(NETTING_HOLD, OWNER)
