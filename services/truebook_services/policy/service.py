"""Policy: observations → decisions by the active model. It never trades.

Its decisions use no orders and no money; a shadow run reads the resting orders, to leave them out of its books.
"""

from __future__ import annotations

from truebook.messages.topics import OBSERVATIONS
from truebook.models.registry import ModelRegistry
from truebook.runtime.context import Context
from truebook.runtime.frames import Consumer, Periodic, Service
from truebook_services.policy.active_model import ActiveModel
from truebook_services.policy.handler import PolicyHandler
from truebook_services.policy.settings import PolicySettings
from truebook_services.policy.shadow import OpenLedger, ShadowRun

GROUP = "truebook.policy"


def build(
    context: Context, settings: PolicySettings, *, registry: ModelRegistry, open_ledger: OpenLedger | None = None,
    instance: str = "policy", active: ActiveModel | None = None,
) -> Service:  # fmt: skip
    """Build the service: the composition root. Raises ``ModelRefused`` if no usable model is active.

    ``open_ledger`` gives a shadow run the account's resting orders, which it leaves out of its books; ``instance``
    names this process's report on the shadow. ``active`` is the model in use; None follows the registry.
    """
    active = active or ActiveModel(context, settings, registry)
    shadow = ShadowRun(context, settings, active, registry, open_ledger=open_ledger, instance=instance)
    handler = PolicyHandler(context, settings, active, shadow)
    return Service(
        context,
        (
            Consumer(
                context, GROUP, (OBSERVATIONS,), handler.handle, rebalance=handler, max_records=settings.max_batch
            ),
            Periodic(context, "model switch", settings.registry_poll_s, active.follow_registry),
            shadow,
        ),
        last=(handler.refusals.frame(), handler.counted.frame()),
        model=lambda: active.version,
    )
