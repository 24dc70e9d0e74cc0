"""Reconciler: the ledger equals the exchange, or nothing is traded. Composition root."""

from __future__ import annotations

from truebook.kalshi.port import RestClient
from truebook.ledger.port import LedgerStore
from truebook.runtime.context import Context
from truebook.runtime.frames import Periodic, Service
from truebook_services.reconciler.account import Accountant
from truebook_services.reconciler.figures import Figures
from truebook_services.reconciler.opening import Opening
from truebook_services.reconciler.repair import Repair
from truebook_services.reconciler.rounds import Rounds
from truebook_services.reconciler.settings import ReconcilerSettings


def build(context: Context, settings: ReconcilerSettings, *, rest: RestClient, ledger: LedgerStore) -> Service:
    """Wire the service; ``startup.begin`` has been awaited before any service runs."""
    repair = Repair(context, rest, ledger, grace_s=settings.grace_s, overlap_s=settings.overlap_s)
    rounds = Rounds(
        context, settings, ledger,
        opening=Opening(context, rest, ledger),
        repair=repair,
        accountant=Accountant(context, settings, rest, ledger, repair),
    )  # fmt: skip
    return Service(
        context,
        (
            Periodic(context, "reconciler.rounds", settings.orders_s, rounds.run),
            Periodic(context, "reconciler.figures", settings.orders_s, Figures(context, ledger).show),
            Periodic(context, "reconciler.forget", settings.forget_every_s, rounds.forget),
        ),
    )
