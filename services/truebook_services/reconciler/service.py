"""Reconciler: halts trading unless the ledger equals the exchange. Composition root."""

from __future__ import annotations

from typing import Final

from truebook.kalshi.port import RestClient
from truebook.ledger.journal.port import LedgerJournal
from truebook.ledger.journal.upkeep import JournalUpkeep
from truebook.ledger.lease import Lease
from truebook.ledger.port import RestorableStore
from truebook.messages.topics import MARKETS
from truebook.models.pointer import PointerFile
from truebook.runtime.consumer import Consumer
from truebook.runtime.context import Context
from truebook.runtime.frames import Frame, Periodic, Service
from truebook_services.reconciler.account_reports import CHECK_S, AccountReports
from truebook_services.reconciler.balance_checker import BalanceChecker
from truebook_services.reconciler.ledger_watch import LedgerWatch
from truebook_services.reconciler.loop import ReconcileLoop
from truebook_services.reconciler.loss_watch import LossWatch
from truebook_services.reconciler.opening import AccountOpener
from truebook_services.reconciler.position_books import PositionBooks
from truebook_services.reconciler.pruner import Pruner
from truebook_services.reconciler.relay import Relay
from truebook_services.reconciler.repairer import Repairer
from truebook_services.reconciler.settings import ReconcilerSettings, TreasurerSettings
from truebook_services.reconciler.shard_transfers import ShardTransfers
from truebook_services.reconciler.startup import Readiness
from truebook_services.reconciler.treasurer import FollowedMarkets, Treasurer
from truebook_services.reconciler.unreadable import UnreadableMarkets

RENEW_EVERY_S: Final = 1.0
UPKEEP_EVERY_S: Final = 60.0


def build(
    context: Context,
    settings: ReconcilerSettings,
    *,
    rest: RestClient,
    ledger: RestorableStore,
    journal: LedgerJournal | None = None,
    upkeep: JournalUpkeep | None = None,
    lease: Lease | None = None,
    models: PointerFile | None = None,
    reports: bool = True,
) -> Service:
    """Build the service.

    Before any service runs, ``recovery.recover`` (if there is a ``journal`` outside of the ledger) and then
    ``startup.hold_until_reconciled`` must have been awaited. Executions in other processes wait for ``lease``.
    ``models`` is where a model is rolled back after a drawdown; None where the registry's active model does not trade.
    ``reports``: publish the account on the topic ``account``, for which more is read from the exchange.
    """
    unreadable = UnreadableMarkets(context, ledger)
    repairer = Repairer(
        context, rest, ledger, unreadable=unreadable, grace_s=settings.grace_s, overlap_s=settings.overlap_s
    )  # fmt: skip
    transfers = ShardTransfers(context, rest, ledger)
    checker = BalanceChecker(
        context, settings, rest, ledger, repairer=repairer, unreadable=unreadable, shard_transfers=transfers
    )  # fmt: skip
    loop = ReconcileLoop(
        context, settings, ledger, opener=AccountOpener(context, rest, ledger), repairer=repairer,
        balance_checker=checker,
    )  # fmt: skip
    books, watch = PositionBooks(context, rest), LedgerWatch(context, ledger)
    frames: list[Frame] = [
        Periodic(context, "reconciler.compare", settings.orders_s, loop.run),
        Periodic(context, "reconciler.ledger_watch", settings.watch_s, watch.run),
        Periodic(
            context, "reconciler.loss_watch", settings.mark_s, LossWatch(context, settings, books, ledger, models).run
        ),
        Periodic(context, "reconciler.prune", settings.prune_interval_s, Pruner(context, settings, ledger).run),
        Periodic(context, "reconciler.shard_transfers", settings.orders_s, transfers.run),
    ]
    if reports:
        account_reports = AccountReports(context, ledger, checker, books, watch)
        frames.append(Periodic(context, "reconciler.account", CHECK_S, account_reports.run))
    if settings.treasurer.enabled:
        frames += _treasurer(context, settings.treasurer, rest, ledger, transfers)
    if journal is not None:
        relay = Relay(context, ledger, journal, keep=settings.journal_keep, invalidate=loop.invalidate)
        frames.append(Periodic(context, "reconciler.journal", settings.journal_s, relay.run, at_stop=True))
    if upkeep is not None:
        frames.append(Periodic(context, "reconciler.journal_upkeep", UPKEEP_EVERY_S, upkeep.run))
    if lease is not None:
        readiness = Readiness(lease, lambda: loop.reconciled)
        frames.append(Periodic(context, "reconciler.readiness", RENEW_EVERY_S, readiness.run))
    return Service(context, frames)


def _treasurer(
    context: Context, settings: TreasurerSettings, rest: RestClient, ledger: RestorableStore, transfers: ShardTransfers
) -> list[Frame]:
    followed = FollowedMarkets()
    treasurer = Treasurer(context, settings, rest, ledger, transfers=transfers, followed=followed)
    frames: list[Frame] = [Periodic(context, "reconciler.treasurer", settings.interval_s, treasurer.run)]
    if not settings.shares:
        frames.insert(0, Consumer(context, "reconciler.followed_markets", (MARKETS,), followed.handle, observer=True))
    return frames
