"""Run ingest as its own process: ``python -m truebook_services.ingest``."""

from __future__ import annotations

from truebook.runtime.frames import Service
from truebook_services.ingest.service import build
from truebook_services.ingest.settings import IngestSettings
from truebook_services.serving.dependencies import Dependencies
from truebook_services.serving.serve import serve
from truebook_services.serving.settings import ServeSettings


class IngestProcess(ServeSettings):
    """The common settings and the service's section."""

    ingest: IngestSettings = IngestSettings()


async def root(dependencies: Dependencies[IngestProcess]) -> Service:
    """Build the service."""
    ledger = await dependencies.opened_ledger()
    rest, connector = await dependencies.exchange()
    return build(dependencies.context, dependencies.settings.ingest, rest=rest, connector=connector, ledger=ledger)


if __name__ == "__main__":
    serve("ingest", IngestProcess, root)
