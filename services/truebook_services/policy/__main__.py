"""Policy as a process of its own: ``python -m truebook_services.policy``."""

from __future__ import annotations

from truebook.models.registry import ModelRegistry
from truebook.runtime.frames import Service
from truebook_services.policy.service import build
from truebook_services.policy.settings import PolicySettings
from truebook_services.serving.serve import serve
from truebook_services.serving.settings import ServeSettings
from truebook_services.serving.surroundings import Surroundings


class PolicyProcess(ServeSettings):
    """The common settings and the service's section."""

    policy: PolicySettings = PolicySettings()


async def root(around: Surroundings[PolicyProcess]) -> Service:
    """Put the service together."""
    registry = ModelRegistry(around.settings.state_folder / "models")
    return build(around.context, around.settings.policy, registry=registry)


if __name__ == "__main__":
    serve("policy", PolicyProcess, root)
