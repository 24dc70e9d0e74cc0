"""The model in use. A switch in the registry takes effect between two batches; an unusable model changes nothing."""

from __future__ import annotations

from truebook.models.errors import ModelRefused
from truebook.models.registry import ModelRegistry
from truebook.models.session import Model
from truebook.runtime.context import Context
from truebook_services.policy.settings import PolicySettings


class ModelUnavailable(Exception):
    """The registry's active model cannot be used; the previous one stays in use."""

    retry = True


class ActiveModel:
    """The model in use and the shadow model, if one is set; raises ``ModelRefused`` if one of them cannot be loaded."""

    def __init__(self, context: Context, settings: PolicySettings, registry: ModelRegistry) -> None:
        self._context = context
        self._settings = settings
        self._registry = registry
        self.model = self._load()
        self.shadow: Model | None = registry.load(settings.shadow) if settings.shadow else None
        self._log_model()

    async def follow_registry(self) -> None:
        """Switch to the registry's active model, if it has changed; raises ``ModelUnavailable``."""
        if self._settings.model:
            return
        try:
            model = self._load()
        except ModelRefused as error:
            self._context.metrics.count("policy_alarms", kind="model_refused")
            raise ModelUnavailable(f"model {self.model.metadata.name} stays in use: {error}") from error
        if model.metadata.sha256 != self.model.metadata.sha256:
            self.model = model
            self._context.metrics.count("model_switches")
            self._log_model()

    def _load(self) -> Model:
        return self._registry.load(self._settings.model) if self._settings.model else self._registry.active()

    def _log_model(self) -> None:
        metadata = self.model.metadata
        self._context.log.info("model in use", model=metadata.name, sha256=metadata.sha256, layout=metadata.layout)
