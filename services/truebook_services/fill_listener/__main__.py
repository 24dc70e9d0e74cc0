"""The fill listener as a process: ``python -m truebook_services.fill_listener``."""

from __future__ import annotations

from truebook.runtime.frames import Service
from truebook_services.fill_listener.service import build
from truebook_services.fill_listener.settings import FillListenerSettings
from truebook_services.serving.dependencies import Dependencies
from truebook_services.serving.serve import serve
from truebook_services.serving.settings import ServeSettings


class FillListenerProcess(ServeSettings):
    """The common settings and the service's section."""

    fill_listener: FillListenerSettings = FillListenerSettings()


async def root(dependencies: Dependencies[FillListenerProcess]) -> Service:
    """Compose the service."""
    ledger = await dependencies.opened_ledger()
    rest, connector = await dependencies.exchange(ledger)
    return build(
        dependencies.context, dependencies.settings.fill_listener, rest=rest, connector=connector, ledger=ledger
    )


if __name__ == "__main__":
    serve("fill_listener", FillListenerProcess, root)
