"""Observation as a process of its own: ``python -m truebook_services.observation``."""

from __future__ import annotations

from truebook.runtime.frames import Service
from truebook_services.observation.service import build
from truebook_services.observation.settings import ObservationSettings
from truebook_services.serving.serve import serve
from truebook_services.serving.settings import ServeSettings
from truebook_services.serving.surroundings import Surroundings


class ObservationProcess(ServeSettings):
    """The common settings and the service's section."""

    observation: ObservationSettings = ObservationSettings()


async def root(around: Surroundings[ObservationProcess]) -> Service:
    """Put the service together."""
    return build(around.context, around.settings.observation, ledger=await around.ledger())


if __name__ == "__main__":
    serve("observation", ObservationProcess, root)
