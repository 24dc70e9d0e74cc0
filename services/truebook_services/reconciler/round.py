"""One round of reconciliation on request, beside the reconciler's own: two do the same work twice, without harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from truebook.kalshi.port import RestClient
from truebook.ledger.port import LedgerStore
from truebook.ledger.verbs import Acknowledge, Adjust, Close, MarkUnknown, SettleFill, SettleMarket
from truebook.runtime.context import Context
from truebook_services.reconciler.repairer import Repairer
from truebook_services.reconciler.settings import ReconcilerSettings
from truebook_services.reconciler.unreadable import UnreadableMarkets

REPORTS: Final = {
    SettleFill.VERB: "fills", Acknowledge.VERB: "orders", Close.VERB: "orders", MarkUnknown.VERB: "orders",
    SettleMarket.VERB: "settlements", Adjust.VERB: "adjustments",
}  # fmt: skip
JOURNAL_PAGE: Final = 1_000


async def repair(context: Context, rest: RestClient, ledger: LedgerStore) -> Mapping[str, int]:
    """Look up every open order and record what is missing; count what was recorded meanwhile, by any service."""
    settings = ReconcilerSettings()
    after_seq = (await ledger.view(())).account.ledger_seq
    unreadable = UnreadableMarkets(context, ledger)
    repairer = Repairer(
        context, rest, ledger, unreadable=unreadable, grace_s=settings.grace_s, overlap_s=settings.overlap_s
    )
    await repairer.orders()
    await repairer.record_missing()
    await unreadable.place()
    recorded = Counter(dict.fromkeys(REPORTS.values(), 0))
    while entries := await ledger.journal(after_seq, JOURNAL_PAGE):
        recorded.update(REPORTS[entry.verb] for entry in entries if entry.verb in REPORTS)
        after_seq = entries[-1].seq
    return dict(recorded)
