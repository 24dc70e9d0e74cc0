"""The model in use and its shadow. A switch takes effect between two batches; an unusable model changes nothing.

A model that exceeds a limit of ``guard`` is rolled back: in the registry, or only here where that is read-only. Where
there is no earlier model, nothing decides until an operator activates one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from truebook.messages.observations import Observation
from truebook.models.errors import ModelRefused, NotRecorded, RegistryReadOnly
from truebook.models.guard import Breach, ModelGuard
from truebook.models.history import Change, ChangeKind, ModelVersion
from truebook.models.pointer import Failure, InUse, Pointer
from truebook.models.recorded_use import RecordedUses, UseCursor
from truebook.models.registry import ModelRegistry
from truebook.models.session import Model
from truebook.runtime.context import Context
from truebook_services.policy.settings import PolicySettings

POLICY = "policy"
WantedShadow: TypeAlias = tuple[ModelVersion | None, int]
"""The registry's shadow, and when it was set."""


class ModelUnavailable(Exception):
    """The registry's active model cannot be used; the previous one stays in use."""

    retry = True


class ActiveModel:
    """The model in use and the shadow model, if one is set; raises ``ModelRefused`` if one of them cannot be loaded."""

    def __init__(
        self, context: Context, settings: PolicySettings, registry: ModelRegistry, *, is_replay: bool = False,
        uses: RecordedUses | None = None,
    ) -> None:  # fmt: skip
        """A replay keeps its model and has no shadow: the registry is that of live systems, and is only read.

        With ``uses`` the replay switches where a run had switched, and no limit of ``guard`` applies.
        """
        if is_replay:
            settings = settings.model_copy(update={"shadow": ""})
        self._context = context
        self._settings = settings
        self._registry = registry
        self._is_replay = is_replay
        self._cursor = None if uses is None else UseCursor(uses)
        self._is_idle = False
        """Whether no model decides in a replay of recorded uses."""
        self._failed: dict[str, int] = {}
        """Models that were rolled back here, by digest, with the pointer's ``active_since_us`` then."""
        self._active_since_us = 0
        self._wanted_shadow: WantedShadow = (None, 0)
        self._shadow_problem = ""
        self.stopped: Failure | None = None
        """Why no model decides; None while one does."""
        self._rolled_back_here: tuple[Failure, int] | None = None
        """The newest roll-back by this process, with the pointer's ``active_since_us`` then."""
        self._is_first_batch = True
        self._is_stop_recorded = False
        self._guard = self._new_guard()
        self.shadow: Model | None = None
        self.shadow_set_us = 0
        """When the registry's shadow was set, which identifies its run; 0 for a shadow of the settings."""
        self._begin(uses)
        if is_replay:
            self._settings = settings.model_copy(update={"model": self.version.name})
        if settings.shadow:
            self.shadow = registry.load(settings.shadow)
        wanted = self._changed_shadow()
        if wanted is not None:
            self._use_shadow(wanted, self._load_shadow(wanted))

    def _begin(self, uses: RecordedUses | None) -> None:
        """Use the model of the start."""
        settings, registry = self._settings, self._registry
        if uses is not None:
            self._use(uses.first, uses.first.metadata.name, None)
        elif settings.model:
            self._use(registry.load(settings.model), settings.model, None)
        else:
            pointer = registry.pointer()
            self._active_since_us = 0 if pointer is None else pointer.active_since_us
            self._use(*self._active(pointer), None)
            stopped = None if pointer is None else pointer.stopped
            if stopped is not None and stopped.model.sha256 == self.version.sha256 and not self._is_replay:
                self._stop(stopped)

    @property
    def decides(self) -> bool:
        """Whether a model decides now."""
        return self.stopped is None and not self._is_idle

    def in_use(self) -> InUse:
        """Return what this process uses, and the newest automatic change; a damaged pointer has none."""
        try:
            pointer = self._registry.pointer()
        except ModelRefused:
            pointer = None
        rolled_back = None if pointer is None or self._settings.model else pointer.rolled_back
        if rolled_back is None and self._rolled_back_here is not None:
            failure, since_us = self._rolled_back_here
            rolled_back = failure if since_us == self._active_since_us else None
        return InUse(name=self.version.name, stopped=self.stopped, rolled_back=rolled_back)

    def parts(self, batch: Sequence[Observation]) -> Iterator[Sequence[Observation]]:
        """Yield the parts of a batch that one model decides each, which is in use then: one, except in a replay."""
        if self._cursor is None:
            yield batch
            return
        for model, part in self._cursor.parts(batch):
            self._is_idle = model is None
            if model is not None and model.metadata.sha256 != self.version.sha256:
                self._use(model, model.metadata.name, self.version)
            yield part

    async def follow_registry(self) -> None:
        """Switch to the registry's models, where they have changed; raises ``ModelUnavailable``."""
        await self._load_active()
        self._follow()
        wanted = self._changed_shadow()
        if wanted is not None:
            self._use_shadow(wanted, await asyncio.to_thread(self._load_shadow, wanted))

    def decided(self, first: Observation, took_us: int, *, is_failed: bool) -> None:
        """Record one batch of the model in use, whose first observation is given; roll back if it exceeds a limit."""
        if self._is_first_batch:
            self._is_first_batch = False
            self._record_use(first, self.version, self._previous)
        if self._cursor is not None:
            return
        breach = self._guard.decided(self._context.clock.monotonic_us(), took_us, is_failed=is_failed)
        if breach is not None:
            self._roll_back(breach)

    def not_decided(self, first: Observation) -> None:
        """Record the point from which on no model decides: the first observation without one."""
        if self.stopped is not None and not self._is_stop_recorded:
            self._is_stop_recorded = True
            self._record_use(first, None, self.version)

    async def _load_active(self) -> None:
        """Load the registry's active model in a thread, which takes long, into its cache: the switch is quick then."""
        if self._settings.model:
            return
        try:
            pointer = self._registry.pointer()
            if pointer is None or not self._may_use(pointer, pointer.active.sha256):
                return
            if not self._registry.is_loaded(pointer.active):
                await asyncio.to_thread(self._registry.version, pointer.active)
        except ModelRefused as error:
            raise self._unavailable(error) from error

    def _follow(self) -> None:
        if not self._settings.model:
            try:
                self._switch(self._registry.pointer())
            except ModelRefused as error:
                raise self._unavailable(error) from error

    def _unavailable(self, error: ModelRefused) -> ModelUnavailable:
        self._context.metrics.count("policy_alarms", kind="model_refused")
        return ModelUnavailable(f"model {self.version.name} stays in use: {error}")

    def _switch(self, pointer: Pointer | None) -> None:
        """Use what the pointer names; raises ``ModelRefused``."""
        self._active_since_us = 0 if pointer is None else pointer.active_since_us
        failure = None if pointer is None else pointer.stopped
        if failure is not None and failure.model.sha256 == self.version.sha256:
            self._stop(failure)
            return
        model, name = self._active(pointer)
        may_use = self._may_use(pointer, model.metadata.sha256)
        if model.metadata.sha256 != self.version.sha256 and not may_use:
            return
        if self.stopped is not None and may_use:
            self.stopped = None
            self._is_first_batch = True
            self._context.metrics.gauge("stopped_models", 0)
            self._guard = self._new_guard()
        if model.metadata.sha256 != self.version.sha256:
            self._use(model, name, self.version)
            self._context.metrics.count("model_switches")
            rolled_back = None if pointer is None else pointer.rolled_back
            if rolled_back is not None and rolled_back.model == self._previous and rolled_back.by != POLICY:
                self._report("model rolled back", rolled_back)

    def _active(self, pointer: Pointer | None) -> tuple[Model, str]:
        """Load the newest model that was not rolled back here; that of the pointer if all were."""
        if pointer is None:
            return self._registry.active(), self._registry.active_name()
        usable = [each for each in (pointer.active, *pointer.before) if self._may_use(pointer, each.sha256)]
        version = usable[0] if usable else pointer.active
        return self._registry.version(version), version.name

    def _may_use(self, pointer: Pointer | None, sha256: str) -> bool:
        """Return whether a model was not rolled back here, or was activated again since."""
        since_us = self._failed.get(sha256)
        if since_us is None:
            return True
        # compared for equality only: the time is of the clock of whoever activated it
        return pointer is not None and pointer.active.sha256 == sha256 and pointer.active_since_us != since_us

    def _use(self, model: Model, name: str, previous: ModelVersion | None) -> None:
        self._previous = previous
        self.model, self.version = model, ModelVersion(name, model.metadata.sha256)
        self._is_first_batch = True
        self._guard = self._new_guard()
        self._context.log.info(
            "model in use", model=name, sha256=self.version.sha256, layout=model.metadata.layout
        )  # fmt: skip

    def _new_guard(self) -> ModelGuard:
        return ModelGuard(self._settings.guard_rules(), self._context.clock.monotonic_us())

    def _record_use(self, first: Observation, model: ModelVersion | None, previous: ModelVersion | None) -> None:
        """Record the point of the switch: the first observation that this model decides, or that none decides."""
        if self._settings.model:
            return
        change = Change(
            at_us=self._context.clock.now_us(), kind=ChangeKind.IN_USE, model=model, previous=previous,
            by=POLICY, observation_id=first.id, observed_us=first.produced_us,
        )  # fmt: skip
        # Once per switch and after the actions, so on the loop: the history keeps the order of its changes.
        try:
            self._registry.record(change)
        except OSError as error:
            self._context.log.warning("switch not recorded", model=_name(model), error=str(error))
        except RegistryReadOnly:
            self._context.log.info("switch not recorded: the registry is read-only here", model=_name(model))

    def _roll_back(self, breach: Breach) -> None:
        now_us = self._context.clock.now_us()
        failure = Failure(model=self.version, at_us=now_us, by=POLICY, breach=breach)
        self._failed[self.version.sha256] = self._active_since_us
        if self._settings.model:
            self._stop(failure)
            return
        try:
            self._registry.files.roll_back(now_us, failure)
        except NotRecorded as error:
            self._context.log.warning("roll-back not in the history", error=str(error))
        except (ModelRefused, RegistryReadOnly, OSError) as error:
            self._context.log.warning("roll-back not recorded: it ends with this process", error=str(error))
        failed = self.version
        try:
            self._switch(self._registry.pointer())
        except ModelRefused as error:
            self._context.log.error("the previous model can't be used", error=str(error))
        if self.version == failed:
            self._stop(failure)
        else:
            self._rolled_back_here = (failure, self._active_since_us)
            self._report("model rolled back", failure)

    def _stop(self, failure: Failure) -> None:
        if self.stopped is None:
            self.stopped, self._is_stop_recorded = failure, False
            self._context.metrics.gauge("stopped_models", 1)
            self._report("model stopped: there is no earlier one", failure)

    def _report(self, event: str, failure: Failure) -> None:
        self._context.metrics.count("model_rollbacks", kind=str(failure.breach.kind))
        self._context.log.error(
            event, model=failure.model.name, sha256=failure.model.sha256, kind=str(failure.breach.kind),
            detail=failure.breach.detail, in_use=None if self.stopped else self.version.name,
        )  # fmt: skip

    def _changed_shadow(self) -> WantedShadow | None:
        """Return the registry's shadow if it is another one than before, whether that is in use or was refused."""
        if self._settings.shadow or self._is_replay:
            return None
        try:
            pointer = self._registry.pointer()
        except ModelRefused as error:
            self._use_shadow((None, 0), error)
            return None
        wanted = (None, 0) if pointer is None or pointer.shadow is None else (pointer.shadow, pointer.shadow_since_us)
        return None if wanted == self._wanted_shadow else wanted

    def _load_shadow(self, wanted: WantedShadow) -> Model | ModelRefused | None:
        """Load a shadow, which takes long; or return why it is refused."""
        version, _ = wanted
        try:
            return None if version is None else self._registry.version(version)
        except ModelRefused as error:
            return error

    def _use_shadow(self, wanted: WantedShadow, loaded: Model | ModelRefused | None) -> None:
        """Use a shadow; one that is refused is reported once and left out."""
        self._wanted_shadow = wanted
        _, self.shadow_set_us = wanted
        if isinstance(loaded, ModelRefused):
            self.shadow = None
            if str(loaded) != self._shadow_problem:
                self._shadow_problem = str(loaded)
                self._context.metrics.count("shadow_failures")
                self._context.log.error("shadow not used", error=str(loaded))
            return
        self.shadow, self._shadow_problem = loaded, ""
        if loaded is not None:
            self._context.log.info("shadow in use", model=loaded.metadata.name, sha256=loaded.metadata.sha256)


def _name(model: ModelVersion | None) -> str | None:
    return None if model is None else model.name
