"""Fill listener as a process of its own: ``python -m truebook_services.fill_listener``."""

from __future__ import annotations

from truebook.runtime.frames import Service
from truebook_services.fill_listener.service import build
from truebook_services.fill_listener.settings import FillListenerSettings
from truebook_services.serving.serve import serve
from truebook_services.serving.settings import ServeSettings
from truebook_services.serving.surroundings import Surroundings


class FillListenerProcess(ServeSettings):
    """The common settings and the service's section."""

    fill_listener: FillListenerSettings = FillListenerSettings()


async def root(around: Surroundings[FillListenerProcess]) -> Service:
    """Put the service together."""
    ledger = await around.opened_ledger()
    rest, connector = await around.exchange()
    return build(around.context, around.settings.fill_listener, rest=rest, connector=connector, ledger=ledger)


if __name__ == "__main__":
    serve("fill_listener", FillListenerProcess, root)
