"""Run observation as its own process: ``python -m truebook_services.observation``."""

from __future__ import annotations

from truebook.runtime.frames import Service
from truebook_services.observation.service import build
from truebook_services.observation.settings import ObservationSettings
from truebook_services.serving.dependencies import Dependencies
from truebook_services.serving.serve import serve
from truebook_services.serving.settings import ServeSettings


class ObservationProcess(ServeSettings):
    """The common settings and the service's section."""

    observation: ObservationSettings = ObservationSettings()


async def root(dependencies: Dependencies[ObservationProcess]) -> Service:
    """Build the service."""
    return build(dependencies.context, dependencies.settings.observation, ledger=await dependencies.ledger())


if __name__ == "__main__":
    serve("observation", ObservationProcess, root)
