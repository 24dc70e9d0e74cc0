"""The models of a registry as an operator reads and switches them: the rules of the requests about models.

The registry is a folder that the running services follow, so a change is made there, wherever it is requested.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from truebook.models.errors import ModelError, ModelRefused, NotRecorded
from truebook.models.pointer import Pointer
from truebook.runtime.settings import TruebookSettings
from truebook_services.operator.port import OperatorError, RequestRefused
from truebook_services.operator.requests import ActivateModel, ListedModel, ModelList, RollBackModel

if TYPE_CHECKING:
    from truebook.models.metadata import ModelMetadata
    from truebook.models.registry import ModelRegistry

SEE: Final = "`truebook models list` shows the models and their use"

T = TypeVar("T")


class Models:
    """The registry of one folder; ``layout`` names that of the observations, None accepts models of any.

    ONNX Runtime is loaded with the first request that needs it.
    """

    def __init__(self, folder: Path, account: str, layout: str | None) -> None:
        self._folder = folder
        self._account = account
        self._layout = layout

    @classmethod
    def of(cls, settings: TruebookSettings) -> Models:
        """Return the registry of these settings, with the layout of their section ``observation`` if they have one."""
        layout = getattr(getattr(settings, "observation", None), "layout", None)
        return cls(settings.models_path, settings.account, layout)

    @cached_property
    def registry(self) -> ModelRegistry:
        from truebook.features.plugins import find_layout
        from truebook.models.registry import ModelRegistry

        return ModelRegistry(self._folder, trades_on=None if self._layout is None else find_layout(self._layout))

    async def list(self) -> ModelList:
        """List all models; loads those that were not loaded yet, in a thread."""
        return await _in_thread(self._list)

    async def activate(self, request: ActivateModel) -> ListedModel:
        """Check a model and make it active; raises ``RequestRefused`` and then changes nothing."""
        return await _in_thread(lambda: self._activate(request))

    async def roll_back(self, request: RollBackModel) -> ListedModel:
        """Return to the previous model; raises ``RequestRefused`` and then changes nothing."""
        return await _in_thread(lambda: self._roll_back(request))

    def _list(self) -> ModelList:
        registry, pointer = self.registry, self.registry.pointer()
        found = tuple(self._listed(name, pointer) for name in registry.names())
        drawdown = registry.files.read_drawdown(self._account)
        is_current = pointer is not None and drawdown is not None and drawdown.since_us == pointer.active_since_us
        return ModelList(
            models=found, stopped=None if pointer is None else pointer.stopped,
            rolled_back=None if pointer is None else pointer.rolled_back, drawdown=drawdown if is_current else None,
        )  # fmt: skip

    def _activate(self, request: ActivateModel) -> ListedModel:
        self._check_active(request.instead_of)
        return described(
            self.registry.activate(request.name, instead_of=request.instead_of).metadata, request.name, is_active=True
        )

    def _roll_back(self, request: RollBackModel) -> ListedModel:
        self._check_active(request.instead_of)
        metadata = self.registry.roll_back(instead_of=request.instead_of).metadata
        return described(metadata, self.registry.active_name(), is_active=True)

    def _check_active(self, expected: str | None) -> None:
        active = self.registry.active_name()
        if expected is not None and active != expected:
            raise RequestRefused(f"{expected} is not active any more, {active} is; nothing was changed", SEE)

    def _listed(self, name: str, pointer: Pointer | None) -> ListedModel:
        registry = self.registry
        is_active = name == (registry.files.default if pointer is None else pointer.active.name)
        previous = pointer.before[0] if pointer is not None and pointer.before else None
        try:
            listed = described(registry.load(name).metadata, name, is_active=is_active)
        except ModelRefused as error:
            listed = ListedModel(name=name, is_active=is_active, refused="; ".join(error.problems))
        return msgspec.structs.replace(
            listed,
            is_shadow=pointer is not None and pointer.shadow is not None and pointer.shadow.name == name,
            is_previous=previous is not None and previous.name == name,
        )


def described(
    metadata: ModelMetadata, name: str | None = None, *, is_active: bool = False, is_shadow: bool = False
) -> ListedModel:  # fmt: skip
    """Return a model as the list has it, by default under the name in its file."""
    return ListedModel(
        name=name or metadata.name, is_active=is_active, is_shadow=is_shadow, sha256=metadata.sha256,
        layout=metadata.layout, output=metadata.output, trained=metadata.trained,
        has_check_rows=metadata.check_rows is not None,
    )  # fmt: skip


async def _in_thread(action: Callable[[], T]) -> T:
    """Run what loads models or writes files beside the event loop, on which orders may be sent."""
    try:
        return await asyncio.to_thread(action)
    except NotRecorded as error:
        raise OperatorError(str(error), SEE) from error
    except (ModelError, OSError) as error:
        raise RequestRefused(str(error), SEE) from error
