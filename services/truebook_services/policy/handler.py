"""The handler of the topic ``observations``: decides them and publishes actions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from truebook.bus.port import Partition
from truebook.clock import MICROS
from truebook.decision.decide import Decision
from truebook.decision.publication import PublishedDecisions
from truebook.messages.codec import encode
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason
from truebook.messages.topics import ACTIONS
from truebook.models.batch import BatchFailure, action_of, decide_all, newest_per_market
from truebook.runtime.context import Context
from truebook.runtime.decision_counts import DecisionCounter
from truebook.runtime.frames import Incoming
from truebook.runtime.refusals import RefusalCounter
from truebook_services.policy.active_model import ActiveModel
from truebook_services.policy.settings import PolicySettings
from truebook_services.policy.shadow import ShadowRun

ALARM_EVERY_US = 10 * MICROS
"""Shortest interval between two log lines of the same alarm; each alarm is counted."""


class PolicyHandler:
    """Decides the observations of one poll together."""

    def __init__(self, context: Context, settings: PolicySettings, active: ActiveModel, shadow: ShadowRun) -> None:
        self._context = context
        self._active = active
        self._shadow = shadow
        self._max_age_us = int(settings.max_age_s * MICROS)
        self._alarmed_us: dict[tuple[str, str], int] = {}
        self._published = PublishedDecisions()
        self.refusals = RefusalCounter(context)
        self.counted = DecisionCounter(context)

    async def assigned(self, partitions: frozenset[Partition]) -> None:
        """Publish the next decision about each market: the newest action may be another process's."""
        self._published.restart()

    async def revoked(self, partitions: frozenset[Partition]) -> None:
        """Do nothing: the next assignment matters."""

    async def handle(self, batch: Sequence[Incoming]) -> None:
        """Decide the newest observation of each market, unless it is too old; publish or count the decisions."""
        current = self._current([each.message for each in batch if isinstance(each.message, Observation)])
        if current:
            for part in self._active.parts(current):
                await self._handle_part(part)

    async def _handle_part(self, current: Sequence[Observation]) -> None:
        """Decide observations by the model in use; publish the actions, and count what changes nothing."""
        model, clock, metrics = self._active.model, self._context.clock, self._context.metrics
        decisions, took_us, is_failed = self._decide(current)
        name, sha256 = model.metadata.name, model.metadata.sha256
        chosen, now_us = self._published.choose(zip(current, decisions, strict=True), name, sha256), clock.now_us()
        make = partial(
            action_of, self._context.identity, model=name, model_sha256=sha256, now_us=now_us,
            max_age_us=self._max_age_us,
        )  # fmt: skip
        actions = [make(*decided) for decided in chosen.published]
        if actions:
            await self._context.bus.publish_many(ACTIONS, [(action.ticker, encode(action)) for action in actions])
        self._published.confirm(chosen)
        self.counted.count(chosen.counted, name, sha256, now_us)
        decided_us = clock.monotonic_us()
        for reason, count in Counter([decision.reason for decision in decisions]).items():
            metrics.count("decisions", count, reason=str(reason or "traded"))
        for observation in current:
            if observation.frame_us:
                metrics.seconds("tick_to_decision", max(0, decided_us - observation.frame_us) / MICROS)
        if took_us is None:
            self._active.not_decided(current[0])
        elif self._active.model is model:  # it may have been switched while they were published
            self._active.decided(current[0], took_us, is_failed=is_failed)  # once, however often they are published
            self._shadow.compare(current, decisions, took_us)

    def _decide(self, current: Sequence[Observation]) -> tuple[list[Decision], int | None, bool]:
        """Decide by the model in use; return the decisions, the time they took, and whether the model failed.

        While no model may decide there are no actions, and no time.
        """
        active, clock = self._active, self._context.clock
        if not active.decides:
            return [Decision(reason=Reason.MODEL_STOPPED)] * len(current), None, False
        started_us = clock.monotonic_us()
        decisions, failures = decide_all(active.model, current)
        took_us = clock.monotonic_us() - started_us
        self._context.metrics.seconds("decision", took_us / MICROS)
        for failure in failures:
            self._alarm(active.model.metadata.name, failure)
        return decisions, took_us, any(each.reason is Reason.INFERENCE_FAILED for each in failures)

    def _current(self, observations: Sequence[Observation]) -> list[Observation]:
        newest = newest_per_market(observations)
        if len(newest) < len(observations):
            superseded = Counter([each.ticker for each in observations])
            superseded.subtract([each.ticker for each in newest])
            for ticker, count in (+superseded).items():
                self._drop(ticker, Reason.SUPERSEDED, count)
        oldest_us = self._context.clock.now_us() - self._max_age_us
        for expired in [each for each in newest if each.confirmed_us <= oldest_us]:
            self._drop(expired.ticker, Reason.DEADLINE, 1)
        return [each for each in newest if each.confirmed_us > oldest_us]

    def _drop(self, ticker: str, reason: Reason, count: int) -> None:
        self._context.metrics.count("observations_dropped", count, reason=str(reason))
        self.refusals.count(ticker, reason, count)

    def _alarm(self, model: str, failure: BatchFailure) -> None:
        self._context.metrics.count("policy_alarms", kind=str(failure.reason))
        now_us, key = self._context.clock.monotonic_us(), (model, str(failure.reason))
        last_us = self._alarmed_us.get(key)
        if last_us is None or now_us - last_us >= ALARM_EVERY_US:
            self._alarmed_us[key] = now_us
            self._context.log.error(
                "inference failed; no action taken",
                model=model,
                reason=str(failure.reason),
                detail=failure.detail,
                rows=failure.rows,
            )
