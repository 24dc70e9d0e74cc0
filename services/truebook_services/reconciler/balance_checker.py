"""Compare positions and balance with the ledger, and act on a difference that persists.

Each comparison first records every fill and settlement of the exchange. A difference is identified by what differs, not
by its amount, which changes with every order; several differences are judged one by one. What differs in the same
direction in several comparisons is a residue: a transfer of cash that the exchange lists is recorded as a deposit, a
small residue of cash as an adjustment; any other halts trading until both sides agree again or an operator intervenes.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import NamedTuple

import msgspec

from truebook.kalshi.port import RestClient
from truebook.ledger.exchange_reports import persist
from truebook.ledger.outcomes import AdjustKind
from truebook.ledger.port import LedgerStore
from truebook.ledger.reconcile import TRANSIENT, Comparison, Difference, FeeHold, Kind, common
from truebook.ledger.trading_holds import DIFFERENCE, NETTING
from truebook.ledger.verbs import Adjust
from truebook.messages.ids import digest
from truebook.runtime.context import Context
from truebook_services.reconciler.compare import BothSides, read_both
from truebook_services.reconciler.repairer import Repairer
from truebook_services.reconciler.settings import ReconcilerSettings
from truebook_services.reconciler.shard_transfers import ShardTransfers
from truebook_services.reconciler.transfers import TransferRecognizer
from truebook_services.reconciler.unreadable import UnreadableMarkets


class Lasting(NamedTuple):
    """A difference of consecutive comparisons; ``difference`` has the smallest amount of them."""

    difference: Difference
    rounds: int
    since_us: int
    """Monotonic time."""
    is_steady: bool
    """It had the same amount in all of them."""


class BalanceChecker:
    """Compares the account, and tracks how long each difference persists."""

    def __init__(
        self,
        context: Context,
        settings: ReconcilerSettings,
        rest: RestClient,
        ledger: LedgerStore,
        *,
        repairer: Repairer,
        unreadable: UnreadableMarkets,
        shard_transfers: ShardTransfers,
    ) -> None:
        self._context = context
        self._settings = settings
        self._rest = rest
        self._ledger = ledger
        self._repairer = repairer
        self._unreadable = unreadable
        self._shard_transfers = shard_transfers
        self._transfers = TransferRecognizer(context, rest, ledger)
        self._seen: dict[tuple[Kind, str], Lasting] = {}
        self._fee_hold: FeeHold | None = None
        self.differences: tuple[str, ...] | None = None
        """What differs as of the last comparison; None before the first one."""
        self.compared_us: int | None = None
        self.true_since_us: int | None = None
        """Since when every comparison agreed; None while they differ."""

    @property
    def has_differences(self) -> bool:
        """Whether the last comparison found a difference: compare again soon."""
        return bool(self._seen)

    async def compare(self) -> bool:
        """Compare once; return whether both sides agree."""
        await self._check_netting()
        await self._repairer.record_missing()
        sides = await read_both(self._rest, self._ledger)
        for ticker in sides.listed_unread:
            self._unreadable.note(ticker, "a position or an order of ours")
        await self._unreadable.place()
        comparison = sides.compare(self._fee_hold)
        if comparison.differences and not sides.is_quiet:
            # What the exchange did until it was read must be in the later view.
            await self._repairer.record_missing()
            sides = msgspec.structs.replace(sides, view=await self._ledger.view())
            comparison = sides.compare(self._fee_hold)
        if await self._has_recorded_transfers(comparison, sides):
            view = await self._ledger.view()
            sides = msgspec.structs.replace(sides, before=view, view=view)
            comparison = sides.compare(self._fee_hold)
        await self._unreadable.release(comparison.unread)
        found = [difference for difference in comparison.differences if difference.kind not in TRANSIENT]
        self._context.metrics.gauge("ledger_differences", len(found))
        for difference in found:
            self._context.log.warning("ledger and exchange differ", difference=str(difference))
        self._learn_fee_hold(comparison, sides)
        lasting = self._track(found, comparison.uncertain)
        if not self._seen:
            await self._ledger.apply(DIFFERENCE.release())
        if lasting and not await self._recognize(found, sides):
            await self._act(lasting, sides)
        self._note()
        return not self._seen

    def _note(self) -> None:
        now_us = self._context.clock.now_us()
        self.differences = tuple(str(one.difference) for one in self._seen.values())
        self.compared_us = now_us
        self.true_since_us = None if self._seen else (self.true_since_us or now_us)

    async def _has_recorded_transfers(self, comparison: Comparison, sides: BothSides) -> bool:
        """Record the exchange's own transfers between shards where cash differs; return whether there were any."""
        is_cash = any(one.kind is Kind.CASH for one in comparison.differences)
        return is_cash and len(sides.balance.by_shard) > 1 and await self._shard_transfers.record_others() > 0

    def _learn_fee_hold(self, comparison: Comparison, sides: BothSides) -> None:
        """Keep what the first conclusive comparison showed; what a comparison without orders refutes was wrong."""
        if self._fee_hold is None:
            self._fee_hold = comparison.fee_hold
        elif sides.exact and not comparison.differences and any(kind is Kind.CASH for kind, _ in self._seen):
            self._fee_hold = FeeHold.VARIES

    def _track(self, found: Sequence[Difference], uncertain: Container[tuple[Kind, str]]) -> list[Lasting]:
        """Count each difference; return those that have lasted long enough.

        One that changes its direction is another one. A comparison that is uncertain neither confirms nor ends one.
        """
        now_us = self._context.clock.monotonic_us()
        latest_us = now_us - int(self._settings.persist_s * 1e6)
        kept = {subject: one for subject, one in self._seen.items() if subject in uncertain}
        self._seen = kept | {difference.subject: self._counted(difference, now_us) for difference in found}
        return [
            one
            for one in self._seen.values()
            if one.rounds >= self._settings.persist_rounds and one.since_us <= latest_us
        ]

    def _counted(self, difference: Difference, now_us: int) -> Lasting:
        seen = self._seen.get(difference.subject)
        smallest = () if seen is None else common([seen.difference], [difference])
        if seen is None or not smallest:
            return Lasting(difference, 1, now_us, is_steady=True)
        is_steady = seen.is_steady and seen.difference.amount == difference.amount
        return Lasting(smallest[0], seen.rounds + 1, seen.since_us, is_steady)

    async def _recognize(self, found: Sequence[Difference], sides: BothSides) -> bool:
        """Record transfers that were made at the exchange, if they are all that differs."""
        is_cash_only = sides.exact and [one.kind for one in found] == [Kind.CASH]
        return is_cash_only and await self._transfers.recognize(found[0])

    async def _act(self, lasting: Sequence[Lasting], sides: BothSides) -> None:
        """Record a small residue of cash; halt for anything else."""
        small = [
            one
            for one in lasting
            if one.difference.kind is Kind.CASH and abs(one.difference.amount) <= self._settings.max_adjustment_micros
        ]
        if len(small) < len(lasting):
            await persist(self._context.clock, lambda: self._ledger.apply(DIFFERENCE.place()))
            differences = [str(one.difference) for one in lasting]
            self._context.log.error("trading halted: ledger and exchange differ", differences=differences)
        elif sides.exact and len(self._seen) == 1 and small[0].is_steady:
            await self._adjust(small[0].difference, sides)

    async def _adjust(self, residue: Difference, sides: BothSides) -> None:
        shard = (residue.exchange_index,) if residue.exchange_index else ()
        adjust_id = digest("residue", sides.view.account.ledger_seq, residue.amount, *shard)
        outcome = await self._ledger.apply(
            Adjust(
                adjust_id=adjust_id, amount_micros=residue.amount, kind=AdjustKind.RESIDUE, reason=str(residue),
                exchange_index=residue.exchange_index,
            )
        )  # fmt: skip
        self._context.log.warning("residue recorded", amount_micros=residue.amount, outcome=outcome)
        self._seen.clear()

    async def _check_netting(self) -> None:
        if await self._rest.cross_market_netting():
            await self._ledger.apply(NETTING.place())
            self._context.log.error(
                "trading halted: the account nets positions across markets; disable that at the exchange"
            )
        else:
            await self._ledger.apply(NETTING.release())
