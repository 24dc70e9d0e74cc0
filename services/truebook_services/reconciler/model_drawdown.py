"""Rolls the active model back when the account's profit has fallen too far since its activation.

The state is kept beside the models, per account, so that it survives a restart. While a position has no known value
nothing is rolled back: that is logged by the loss watch and shown by `truebook models list`.
"""

from __future__ import annotations

from truebook.models.errors import ModelRefused, NotRecorded, RegistryReadOnly
from truebook.models.guard import Drawdown
from truebook.models.pointer import Failure, PointerFile
from truebook.runtime.context import Context

RECONCILER = "reconciler"


class ModelDrawdown:
    """Takes each valuation of the account; ``max_drawdown_micros`` None does nothing."""

    def __init__(self, context: Context, files: PointerFile | None, max_drawdown_micros: int | None) -> None:
        self._context = context
        self._files = files
        self._max_micros = max_drawdown_micros
        self._state: Drawdown | None = None

    @property
    def is_on(self) -> bool:
        return self._files is not None and self._max_micros is not None

    def valued(self, profit_micros: int | None, opened_us: int) -> None:
        """Take the account's profit since its ledger was opened, None if it is not known."""
        if self._files is None or self._max_micros is None:
            return
        try:
            self._value(self._files, self._max_micros, profit_micros, opened_us)
        except (ModelRefused, RegistryReadOnly, OSError) as error:
            self._context.metrics.failed("reconciler.model_drawdown", type(error).__name__)
            self._context.log.warning("drawdown of the model not recorded", error=str(error))

    def _value(self, files: PointerFile, max_micros: int, profit_micros: int | None, opened_us: int) -> None:
        now_us = self._context.clock.now_us()
        account = self._context.account
        before = self._state or files.read_drawdown(account)
        state = files.drawdown_of_active(before, opened_us).valued(profit_micros, now_us)
        self._state = state
        if state.drawdown_micros is not None:
            self._context.metrics.gauge("model_drawdown_micros", state.drawdown_micros)
        breach = state.breach(max_micros)
        if breach is not None:  # first: it does not depend on what can be kept
            self._roll_back(files, Failure(model=state.version, at_us=now_us, by=RECONCILER, breach=breach))
        if state != before:
            files.write_drawdown(account, state)

    def _roll_back(self, files: PointerFile, failure: Failure) -> None:
        error = ""
        try:
            changed = files.roll_back(failure.at_us, failure)
            if changed is None:
                return
            event = "model rolled back" if changed.stopped is None else "model stopped: there is no earlier one"
        except NotRecorded as refused:
            event, error = "model rolled back or stopped, but not in the history", str(refused)
        except (RegistryReadOnly, OSError) as refused:
            self._context.metrics.failed("reconciler.model_drawdown", type(refused).__name__)
            event, error = "model not rolled back: it trades on", str(refused)
        self._context.log.error(
            event, model=failure.model.name, sha256=failure.model.sha256, kind=str(failure.breach.kind),
            detail=failure.breach.detail, error=error or None,
        )  # fmt: skip
