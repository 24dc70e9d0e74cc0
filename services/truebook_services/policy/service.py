"""Policy: observations → decisions by the active model. It reads no orders and no money, and never trades."""

from __future__ import annotations

from truebook.messages.topics import OBSERVATIONS
from truebook.models.registry import ModelRegistry
from truebook.runtime.context import Context
from truebook.runtime.frames import Consumer, Periodic, Service
from truebook_services.policy.active_model import ActiveModel
from truebook_services.policy.handler import PolicyHandler
from truebook_services.policy.settings import PolicySettings

GROUP = "truebook.policy"


def build(context: Context, settings: PolicySettings, *, registry: ModelRegistry) -> Service:
    """Build the service: the composition root. Raises ``ModelRefused`` if no usable model is active."""
    active = ActiveModel(context, settings, registry)
    handler = PolicyHandler(context, settings, active)
    return Service(
        context,
        (
            Consumer(context, GROUP, (OBSERVATIONS,), handler.handle, max_records=settings.max_batch),
            Periodic(context, "model switch", settings.registry_poll_s, active.follow_registry),
            handler.refusals.frame(),
        ),
    )
