"""Ingest: publishes the exchange's market data on the bus, and marks a book stale as soon as it may be wrong.

It is the only service with a connection to the exchange's market-data WebSocket; it selects the markets and requests
snapshots. It never trades.
"""

from __future__ import annotations

from truebook.kalshi.port import Connector, ExchangeError, RestClient
from truebook.ledger.port import LedgerStore
from truebook.messages.topics import MARKETS
from truebook.runtime.context import Context
from truebook.runtime.frames import Consumer, Feed, Periodic, Service
from truebook_services.ingest.books import FollowedBooks
from truebook_services.ingest.catalogue import Catalogue
from truebook_services.ingest.outbox import Outbox
from truebook_services.ingest.session import MarketDataSession
from truebook_services.ingest.settings import IngestSettings

GROUP = "truebook.ingest"


class MarketsNotRead(Exception):
    """The exchange refused a read of markets: the selection stays as it is, and is made again."""

    retry = True


def build(
    context: Context, settings: IngestSettings, *, rest: RestClient, connector: Connector, ledger: LedgerStore
) -> Service:
    """Build the service: the composition root."""
    books = FollowedBooks(context)
    outbox = Outbox(
        context, max_backlog=settings.max_backlog, collapse=books.collapse,
        state_linger_us=int(settings.state_linger_ms * 1_000),
    )  # fmt: skip
    books.publish_through(outbox.put, outbox.put_state)
    catalogue = Catalogue(context, settings, rest=rest, ledger=ledger, books=books, outbox=outbox)
    session = MarketDataSession(
        context, settings, connector=connector, ledger=ledger, books=books, catalogue=catalogue, outbox=outbox
    )

    universe = settings.universe
    group = GROUP if universe.shards == 1 else f"{GROUP}.{universe.shard}-of-{universe.shards}"

    async def select_markets() -> None:
        if not catalogue.is_due():
            return
        try:
            await catalogue.refresh()
        except ExchangeError as error:
            if error.retry:
                raise
            raise MarketsNotRead(str(error)) from error
        await session.follow()

    return Service(
        context,
        (
            Periodic(context, "universe", settings.watch_s, select_markets),
            Feed(context, "market data", session.run),
            Periodic(context, "watch", settings.watch_s, session.watch),
            Periodic(context, "outbox", settings.linger_ms / 1000, outbox.publish_when_ready),
            Consumer(context, group, (MARKETS,), catalogue.read_published, observer=True),
        ),
    )
