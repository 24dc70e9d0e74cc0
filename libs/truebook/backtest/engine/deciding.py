"""Which model decides in a pass: one, until it fails too often, or those that had decided in a run, by its history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from truebook.decision.decide import Decision
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason
from truebook.models.batch import decide_all
from truebook.models.guard import GuardRules, ModelGuard
from truebook.models.history import Switch
from truebook.models.recorded_use import RecordedUses, UseCursor
from truebook.models.session import Model

STOPPED = Decision(reason=Reason.MODEL_STOPPED)


class Deciding:
    """Decides batches as policy does in a replay: a model that exceeds a limit is stopped, for there is no other."""

    def __init__(self, model: Model, uses: RecordedUses | None, guard: GuardRules, now_us: int) -> None:
        """With ``uses``, ``model`` and ``guard`` have no effect."""
        self.model = model if uses is None else uses.first
        self._cursor = None if uses is None else UseCursor(uses)
        self._guard = ModelGuard(guard, now_us)
        self._is_stopped = False

    @property
    def switches(self) -> tuple[Switch, ...]:
        """The changes of models so far."""
        return () if self._cursor is None else tuple(self._cursor.switches)

    def decide(
        self, batch: Sequence[Observation], now_us: int
    ) -> Iterator[tuple[Sequence[Observation], Sequence[Decision]]]:  # fmt: skip
        """Yield the parts of a batch that one model decides each, with its decisions; ``model`` is that model then."""
        if self._cursor is None:
            yield batch, self._guarded(batch, now_us)
            return
        for model, part in self._cursor.parts(batch):
            if model is None:
                yield part, [STOPPED] * len(part)
            else:
                self.model = model
                yield part, decide_all(model, part)[0]

    def _guarded(self, batch: Sequence[Observation], now_us: int) -> Sequence[Decision]:
        if self._is_stopped:
            return [STOPPED] * len(batch)
        decisions, failures = decide_all(self.model, batch)
        if failures:  # a batch takes no virtual time, so no limit of latency is exceeded
            is_failed = any(each.reason is Reason.INFERENCE_FAILED for each in failures)
            self._is_stopped = self._guard.decided(now_us, 0, is_failed=is_failed) is not None
        return decisions
