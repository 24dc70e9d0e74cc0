"""Reconciler: the ledger equals the exchange, or nothing is traded. Composition root."""

from __future__ import annotations

from typing import Final

from truebook.kalshi.port import RestClient
from truebook.ledger.journal_port import Journal
from truebook.ledger.lease import Lease
from truebook.ledger.port import RestorableStore
from truebook.runtime.context import Context
from truebook.runtime.frames import Frame, Periodic, Service
from truebook_services.reconciler.account import Accountant
from truebook_services.reconciler.figures import Figures
from truebook_services.reconciler.forgetting import Forgetting
from truebook_services.reconciler.opening import Opening
from truebook_services.reconciler.relay import Relay, RelayFrame
from truebook_services.reconciler.repair import Repair
from truebook_services.reconciler.rounds import Rounds
from truebook_services.reconciler.settings import ReconcilerSettings
from truebook_services.reconciler.vouching import Voucher

VOUCH_EVERY_S: Final = 1.0


def build(
    context: Context,
    settings: ReconcilerSettings,
    *,
    rest: RestClient,
    ledger: RestorableStore,
    journal: Journal | None = None,
    lease: Lease | None = None,
) -> Service:
    """Wire the service; ``startup.begin`` has been awaited before any service runs, and before it, where there is a
    ``journal`` outside of the ledger, ``recovery.recover``. ``lease``: what executions in other processes wait for."""
    repair = Repair(context, rest, ledger, grace_s=settings.grace_s, overlap_s=settings.overlap_s)
    rounds = Rounds(
        context, settings, ledger,
        opening=Opening(context, rest, ledger),
        repair=repair,
        accountant=Accountant(context, settings, rest, ledger, repair),
    )  # fmt: skip
    frames: list[Frame] = [
        Periodic(context, "reconciler.rounds", settings.orders_s, rounds.run),
        Periodic(context, "reconciler.figures", settings.orders_s, Figures(context, ledger).show),
        Periodic(context, "reconciler.forget", settings.forget_every_s, Forgetting(context, settings, ledger).run),
    ]
    if journal is not None:
        relay = Relay(context, ledger, journal, keep=settings.journal_keep, doubt=rounds.doubt)
        frames.append(RelayFrame(Periodic(context, "reconciler.journal", settings.journal_s, relay.run), relay))
    if lease is not None:
        vouch = Voucher(lease, lambda: rounds.reconciled)
        frames.append(Periodic(context, "reconciler.vouch", VOUCH_EVERY_S, vouch.run))
    return Service(context, frames)
