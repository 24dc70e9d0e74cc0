"""Fill listener: records the exchange's reports about the account in the ledger, then publishes them."""

from __future__ import annotations

from truebook.kalshi.port import Connector, RestClient
from truebook.ledger.port import LedgerStore
from truebook.runtime.context import Context
from truebook.runtime.frames import Feed, Periodic, Service
from truebook_services.fill_listener.backfill import Backfill
from truebook_services.fill_listener.outbox import FillPublisher
from truebook_services.fill_listener.recorder import FillRecorder
from truebook_services.fill_listener.session import Session
from truebook_services.fill_listener.settings import FillListenerSettings


def build(
    context: Context, settings: FillListenerSettings, *, rest: RestClient, connector: Connector, ledger: LedgerStore
) -> Service:
    """Wire the service: the private socket, a periodic sweep by REST, and the publisher. Any number may run."""
    max_known = settings.max_known_events
    publisher = FillPublisher(context, max_queued=settings.max_unpublished_events, max_known=max_known)
    recorder = FillRecorder(context, ledger, publisher, max_known)
    backfill = Backfill(
        context, rest, ledger, recorder=recorder, publisher=publisher, overlap_s=settings.overlap_s
    )  # fmt: skip
    session = Session(context, settings, connector, recorder=recorder, backfill=backfill, publisher=publisher)
    return Service(
        context,
        (
            Feed(context, "fill_listener.socket", session.run),
            Periodic(context, "fill_listener.sweep", settings.sweep_s, session.resweep, jitter=0.2),
            Feed(context, "fill_listener.publisher", publisher.run, max_delay_s=1.0),
        ),
    )
