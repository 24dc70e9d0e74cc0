"""The model that decides now. A switch in the registry takes effect between two batches; a bad one changes nothing."""

from __future__ import annotations

from truebook.models.errors import ModelRefused
from truebook.models.registry import ModelRegistry
from truebook.models.session import Model
from truebook.runtime.context import Context
from truebook_services.policy.settings import PolicySettings


class ModelUnavailable(Exception):
    """The active model can't be used; the one before goes on until it can."""

    retry = True


class ActiveModel:
    """The model in use, and the shadow's where there is one. Raises ``ModelRefused`` when there is none at all."""

    def __init__(self, context: Context, settings: PolicySettings, registry: ModelRegistry) -> None:
        self._context = context
        self._settings = settings
        self._registry = registry
        self.model = self._wanted()
        self.shadow: Model | None = registry.load(settings.shadow) if settings.shadow else None
        self._announce()

    async def follow_registry(self) -> None:
        """Switch to the registry's active model, if it is another; raises ``ModelUnavailable``."""
        if self._settings.model:
            return
        try:
            wanted = self._wanted()
        except ModelRefused as error:
            self._context.metrics.count("policy_alarms", kind="model_refused")
            raise ModelUnavailable(f"{self.model.metadata.name} goes on: {error}") from error
        if wanted.metadata.sha256 != self.model.metadata.sha256:
            self.model = wanted
            self._context.metrics.count("model_switches")
            self._announce()

    def _wanted(self) -> Model:
        return self._registry.load(self._settings.model) if self._settings.model else self._registry.active()

    def _announce(self) -> None:
        metadata = self.model.metadata
        self._context.log.info("model in use", model=metadata.name, sha256=metadata.sha256, layout=metadata.layout)
