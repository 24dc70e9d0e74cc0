"""Ingest as a process of its own: ``python -m truebook_services.ingest``."""

from __future__ import annotations

from truebook.runtime.frames import Service
from truebook_services.ingest.service import build
from truebook_services.ingest.settings import IngestSettings
from truebook_services.serving.serve import serve
from truebook_services.serving.settings import ServeSettings
from truebook_services.serving.surroundings import Surroundings


class IngestProcess(ServeSettings):
    """The common settings and the service's section."""

    ingest: IngestSettings = IngestSettings()


async def root(around: Surroundings[IngestProcess]) -> Service:
    """Put the service together."""
    ledger = await around.opened_ledger()
    rest, connector = await around.exchange()
    return build(around.context, around.settings.ingest, rest=rest, connector=connector, ledger=ledger)


if __name__ == "__main__":
    serve("ingest", IngestProcess, root)
