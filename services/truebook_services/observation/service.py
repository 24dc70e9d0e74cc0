"""Observation: books, metadata, positions and signals → one feature vector per market and moment. It never trades."""

from __future__ import annotations

from truebook.features.plugins import find_layout
from truebook.ledger.port import LedgerStore
from truebook.messages.topics import MARKETS, ORDERBOOK, SIGNALS
from truebook.runtime.context import Context
from truebook.runtime.frames import Consumer, Periodic, Service
from truebook_services.observation.observer import Observer
from truebook_services.observation.settings import ObservationSettings

GROUP = "truebook.observation"


def build(context: Context, settings: ObservationSettings, *, ledger: LedgerStore) -> Service:
    """Build the service: the composition root. Raises ``UnknownLayout`` or ``BadPlugin``."""
    observer = Observer(context, settings, find_layout(settings.layout), ledger)
    return Service(
        context,
        (
            Periodic(context, "positions", settings.portfolio_refresh_s, observer.read_positions),
            Consumer(context, GROUP, (MARKETS, ORDERBOOK, SIGNALS), observer.handle),
            Periodic(context, "release", settings.release_ms / 1000, observer.release),
            observer.refusals.frame(),
        ),
    )
