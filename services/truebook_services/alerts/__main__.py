"""Run alerts as their own process: ``python -m truebook_services.alerts``."""

from __future__ import annotations

from truebook.ledger.port import LedgerStore
from truebook.runtime.frames import Service
from truebook_services.alerts.service import build
from truebook_services.alerts.settings import AlertsSettings
from truebook_services.serving.dependencies import Dependencies
from truebook_services.serving.ledger import connect_ledger
from truebook_services.serving.serve import serve
from truebook_services.serving.settings import ServeSettings


class AlertsProcess(ServeSettings):
    """The common settings and the service's section."""

    alerts: AlertsSettings = AlertsSettings()


async def root(dependencies: Dependencies[AlertsProcess]) -> Service:
    """Build the service; the ledger is connected later, since its absence is a reason for an alert."""
    settings = dependencies.settings

    async def open_ledger() -> LedgerStore:
        return await connect_ledger(settings)

    return build(dependencies.context, settings.alerts, open_ledger=open_ledger, folder=settings.state_path)


if __name__ == "__main__":
    serve("alerts", AlertsProcess, root)
