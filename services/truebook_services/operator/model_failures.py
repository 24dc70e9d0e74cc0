"""What was done to the models automatically, for the status and a page: rolled back, or stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from truebook.live.system_views import ModelFailureView
from truebook.messages.actions import Action
from truebook.messages.reasons import Reason
from truebook.messages.refusals import DecisionsCounted, decided_us
from truebook.models.errors import ModelRefused
from truebook.models.pointer import Failure, Pointer, PointerFile
from truebook_services.operator.port import ModelFailure, Status


def described(failure: Failure | None) -> ModelFailure | None:
    """Return a failure as the status has it."""
    if failure is None:
        return None
    return ModelFailure(
        model=failure.model.name, sha256=failure.model.sha256, since_us=failure.at_us, by=failure.by,
        reason=failure.breach.text,
    )  # fmt: skip


def read_pointer(folder: Path) -> Pointer | None:
    """Read a registry's models in use; None where there are none, or the file can't be read here."""
    try:
        return PointerFile(folder).read()
    except ModelRefused:
        return None


def model_stopped(decided: Sequence[Action | DecisionsCounted], pointer: Pointer | None) -> ModelFailure | None:
    """Return why no model decides: as the registry states, else as far as the newest decision shows it."""
    if pointer is not None and pointer.stopped is not None:
        return described(pointer.stopped)
    newest = max(decided, key=decided_us, default=None)
    if newest is None or newest.reason is not Reason.MODEL_STOPPED:
        return None
    return ModelFailure(model=newest.model, sha256=newest.model_sha256, since_us=None, by=None, reason=None)


def failure_view(failure: ModelFailure | None) -> ModelFailureView | None:
    """Return a failure as a page shows it."""
    if failure is None:
        return None
    return ModelFailureView(model=failure.model, at_us=failure.since_us, by=failure.by, reason=failure.reason)


def after_run(last: Status, pointer: Pointer | None) -> Status:
    """Return the status of an ended run with the registry's newest changes.

    What happened in that run only (a model of its settings, a registry that it could not write) is kept until a model
    is activated.
    """

    def newest(ended: ModelFailure | None, now: Failure | None) -> ModelFailure | None:
        if pointer is None or now is not None:
            return described(now) or ended
        is_newer = ended is not None and ended.since_us is not None and ended.since_us > pointer.active_since_us
        return ended if is_newer else None

    return msgspec.structs.replace(
        last,
        model_stopped=newest(last.model_stopped, None if pointer is None else pointer.stopped),
        model_rolled_back=newest(last.model_rolled_back, None if pointer is None else pointer.rolled_back),
    )
