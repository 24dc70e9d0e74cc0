"""Run policy as its own process: ``python -m truebook_services.policy``."""

from __future__ import annotations

import os
import socket

from truebook.features.plugins import find_layout
from truebook.models.registry import ModelRegistry
from truebook.runtime.frames import Service
from truebook_services.policy.service import build
from truebook_services.policy.settings import PolicySettings
from truebook_services.serving.dependencies import Dependencies
from truebook_services.serving.serve import serve
from truebook_services.serving.settings import LayoutSection, ServeSettings


class PolicyProcess(ServeSettings):
    """The common settings, the service's section, and the layout of the observations that it decides."""

    policy: PolicySettings = PolicySettings()
    observation: LayoutSection = LayoutSection()


async def root(dependencies: Dependencies[PolicyProcess]) -> Service:
    """Build the service; raises ``ModelRefused``, also for a model of another layout than the observations have."""
    settings = dependencies.settings
    registry = ModelRegistry(settings.models_path, trades_on=find_layout(settings.observation.layout))
    return build(
        dependencies.context, settings.policy, registry=registry, open_ledger=dependencies.ledger,
        instance=f"{socket.gethostname()}-{os.getpid()}",
    )  # fmt: skip


if __name__ == "__main__":
    serve("policy", PolicyProcess, root)
