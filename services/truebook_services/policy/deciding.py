"""A batch of observations and a model → a decision for each, in one run of the model.

A model that fails, or that was made for another layout, decides HOLD: what works stays, nothing new is wanted.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from truebook.decision.decide import Decision, decide, decide_action
from truebook.decision.strategy import Output
from truebook.messages.actions import Action
from truebook.messages.ids import action_id
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason
from truebook.models.errors import ModelFailed
from truebook.models.session import Batch, Model
from truebook.runtime.context import Context


class Failure(msgspec.Struct, frozen=True):
    """Why a part of the batch was not decided by the model: an alarm."""

    reason: Reason
    detail: str
    rows: int


def newest_per_market(observations: Iterable[Observation]) -> list[Observation]:
    """Of several observations of one market keep the last: the others are overtaken."""
    newest: dict[str, Observation] = {}
    for observation in observations:
        newest.pop(observation.ticker, None)
        newest[observation.ticker] = observation
    return list(newest.values())


def stack(vectors: Sequence[Sequence[float]]) -> Batch:
    """Make one float32 batch of vectors of equal length, several times as fast as ``np.array`` does and with
    the same bits; a number beyond float32 becomes infinite.
    """
    pack = struct.Struct(f"{len(vectors[0])}f").pack
    return np.frombuffer(b"".join([pack(*vector) for vector in vectors]), np.float32).reshape(len(vectors), -1)


def decide_all(model: Model, observations: Sequence[Observation]) -> tuple[list[Decision], list[Failure]]:
    """Decide each observation, in their order."""
    fits = [_fits(model, observation) for observation in observations]
    if all(fits):
        decided, failure = _decide_fitting(model, observations)
        return decided, [failure] if failure is not None else []
    layouts = sorted({each.layout for each, is_fit in zip(observations, fits, strict=True) if not is_fit})
    what = f"model {model.metadata.name} is made for {model.layout.name} {model.layout.hash}, got {layouts}"
    failures = [Failure(Reason.MODEL_MISMATCH, what, fits.count(False))]
    fitting = [each for each, is_fit in zip(observations, fits, strict=True) if is_fit]
    decided, failure = _decide_fitting(model, fitting)
    if failure is not None:
        failures.append(failure)
    of_fitting = iter(decided)
    return [next(of_fitting) if is_fit else Decision(reason=Reason.MODEL_MISMATCH) for is_fit in fits], failures


def _decide_fitting(model: Model, observations: Sequence[Observation]) -> tuple[list[Decision], Failure | None]:
    """Decide observations of the model's own layout; all of them hold where the model fails."""
    if not observations:
        return [], None
    metadata = model.metadata
    try:
        rows = model.run(stack([observation.features for observation in observations]))
        if metadata.output is Output.ACTION_LOGITS and rows.shape[1] == metadata.outputs:
            actions = rows.argmax(axis=1).tolist()  # finite numbers; the first of equals, as ``decide`` takes it
            return [decide_action(*each, metadata) for each in zip(observations, actions, strict=True)], None
        return [decide(*each, metadata) for each in zip(observations, rows.tolist(), strict=True)], None
    except (ModelFailed, ValueError) as error:
        failed = [Decision(reason=Reason.MODEL_FAILED)] * len(observations)
        return failed, Failure(Reason.MODEL_FAILED, str(error), len(observations))


def action_of(context: Context, observation: Observation, decision: Decision, *, model: str, max_age_us: int) -> Action:
    """Write a decision as the message that execution reads; its id does not depend on the model."""
    return Action(
        id=action_id(context.account, context.strategy, observation.id), cause_id=observation.id,
        account=context.account, strategy=context.strategy, ticker=observation.ticker, source=observation.source,
        exchange_us=observation.exchange_us, produced_us=context.clock.now_us(),
        observation_id=observation.id, model=model, targets=decision.targets, unmentioned=decision.unmentioned,
        deadline_us=observation.confirmed_us + max_age_us, confirmed_us=observation.confirmed_us,
        frame_us=observation.frame_us, reference_cc=(observation.best_bid_cc + observation.best_ask_cc) // 2,
        edge_cc=decision.edge_cc, event=observation.event, exclusive=observation.exclusive,
        fee_rate_ppm=max(observation.taker_rate_ppm, observation.maker_rate_ppm), reason=decision.reason,
    )  # fmt: skip


def _fits(model: Model, observation: Observation) -> bool:
    return observation.layout_hash == model.layout.hash and len(observation.features) == len(model.layout)
