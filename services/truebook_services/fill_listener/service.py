"""Fill listener: all that the exchange says about the account, into the ledger and then on the bus."""

from __future__ import annotations

from truebook.kalshi.port import Connector, RestClient
from truebook.ledger.port import LedgerStore
from truebook.runtime.context import Context
from truebook.runtime.frames import Feed, Periodic, Service
from truebook_services.fill_listener.backfill import Backfill
from truebook_services.fill_listener.booking import Booking
from truebook_services.fill_listener.session import Session
from truebook_services.fill_listener.settings import FillListenerSettings
from truebook_services.fill_listener.telling import Telling


def build(
    context: Context,
    settings: FillListenerSettings,
    *,
    rest: RestClient,
    connector: Connector,
    ledger: LedgerStore,
) -> Service:
    """Wire the service: the private socket, a sweep by REST beside it, and the telling. Any number of them may run."""
    telling = Telling(context, most_waiting=settings.most_untold, most_remembered=settings.most_remembered)
    booking = Booking(context, ledger, telling, settings.most_remembered)
    backfill = Backfill(context, rest, ledger, booking, telling, settings.overlap_s)
    session = Session(context, settings, connector, ledger, booking=booking, backfill=backfill, telling=telling)
    return Service(
        context,
        (
            Feed(context, "fill_listener.socket", session.run),
            Periodic(context, "fill_listener.sweep", settings.sweep_s, session.resweep, jitter=0.2),
            Feed(context, "fill_listener.telling", telling.run, most_delay_s=1.0),
        ),
    )
