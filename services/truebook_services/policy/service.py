"""Policy: observations → decisions by the active model. It knows no orders and no money, and never trades."""

from __future__ import annotations

from truebook.messages.topics import OBSERVATIONS
from truebook.models.registry import ModelRegistry
from truebook.runtime.context import Context
from truebook.runtime.frames import Consumer, Periodic, Service
from truebook_services.policy.active_model import ActiveModel
from truebook_services.policy.decider import Decider
from truebook_services.policy.settings import PolicySettings

GROUP = "truebook.policy"


def build(context: Context, settings: PolicySettings, *, registry: ModelRegistry) -> Service:
    """Put the service together: the composition root. Raises ``ModelRefused`` where no usable model is active."""
    active = ActiveModel(context, settings, registry)
    decider = Decider(context, settings, active)
    return Service(
        context,
        (
            Consumer(context, GROUP, (OBSERVATIONS,), decider.take, max_records=settings.most_batch),
            Periodic(context, "model switch", settings.switch_s, active.follow_registry),
        ),
    )
