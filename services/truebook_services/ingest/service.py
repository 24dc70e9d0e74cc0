"""Ingest: the exchange's market data on their way into the bus, with every doubt about them said at once.

It alone talks to the exchange's market-data WebSocket, chooses the markets, and asks for snapshots. It never trades.
"""

from __future__ import annotations

from truebook.kalshi.port import Connector, RestClient
from truebook.ledger.port import LedgerStore
from truebook.messages.topics import MARKETS
from truebook.runtime.context import Context
from truebook.runtime.frames import Consumer, Feed, Periodic, Service
from truebook_services.ingest.books import FollowedBooks
from truebook_services.ingest.catalogue import Catalogue
from truebook_services.ingest.outbox import Outbox
from truebook_services.ingest.session import Session
from truebook_services.ingest.settings import IngestSettings

GROUP = "truebook.ingest"


def build(
    context: Context, settings: IngestSettings, *, rest: RestClient, connector: Connector, ledger: LedgerStore
) -> Service:
    """Put the service together: the composition root."""
    books = FollowedBooks(context)
    outbox = Outbox(context, most_backlog=settings.most_backlog, collapse=books.collapse)
    books.publish_through(outbox.put)
    catalogue = Catalogue(context, settings, rest, ledger, books, outbox)
    session = Session(context, settings, connector, ledger, books, catalogue, outbox)

    universe = settings.universe
    group = GROUP if universe.shards == 1 else f"{GROUP}.{universe.shard}-of-{universe.shards}"

    async def choose_markets() -> None:
        if catalogue.is_due():
            await catalogue.refresh()
            await session.follow()

    return Service(
        context,
        (
            Periodic(context, "universe", settings.watch_s, choose_markets),
            Feed(context, "market data", session.run),
            Periodic(context, "watch", settings.watch_s, session.watch),
            Periodic(context, "outbox", settings.gather_ms / 1000, outbox.publish_gathered),
            Consumer(context, group, (MARKETS,), catalogue.take_earlier, observer=True),
        ),
    )
