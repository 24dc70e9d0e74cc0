"""One observation and one row of model output → one decision.

* ``action_logits``: no target (HOLD) or one. BUY_YES and SELL_NO are bids, BUY_NO and SELL_YES are asks; SELLs reduce
  only. What is not mentioned is **kept**: an id speaks of one side and says nothing of the other.
* ``yes_probability``: up to one quote per side. What is not mentioned is **pulled**: a side without a quote is one that
  the probability no longer carries.

A refusal (a missing side, no price on the grid) mentions nothing and keeps what works. The model's name is nowhere
in here: a switch of models must not change what an action's id is made of.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from truebook.decision.prices import is_post_only, price_for, top_of
from truebook.decision.quoting import fair_ppm, quote
from truebook.decision.sizing import size_order
from truebook.decision.strategy import Intent, Output, Strategy, intent_of
from truebook.messages.actions import Target, Unmentioned
from truebook.messages.envelope import BookSide
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason

__all__ = ["Decision", "Strategy", "decide", "decide_action"]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What should be working. ``reason`` says why there are no targets, where there are none."""

    targets: tuple[Target, ...] = ()
    unmentioned: Unmentioned = Unmentioned.KEEP
    edge_cc: int = 0
    """Largest expected gain per contract among the targets; 0 for ``action_logits``, which states none."""
    reason: Reason | None = None
    action: int | None = None
    """The chosen action id, for ``action_logits``."""


def decide(observation: Observation, output_row: Sequence[float], metadata: Strategy) -> Decision:
    """Turn one row of the model's output into a decision; raises ``ValueError`` for a row that can't be its output.

    ``output_row`` must be finite (``Model.run`` has checked it).
    """
    if len(output_row) != metadata.outputs:
        raise ValueError(f"{metadata.output} needs {metadata.outputs} numbers a row, got {len(output_row)}")
    if metadata.output is Output.YES_PROBABILITY:
        return _from_probability(observation, float(output_row[0]), metadata)
    return decide_action(observation, list(output_row).index(max(output_row)), metadata)


def decide_action(observation: Observation, action: int, strategy: Strategy) -> Decision:
    """Turn the id with the highest score (the lower one among equals) into a decision; ``ValueError`` for no id."""
    intent, requested_centi = intent_of(action, strategy.sizes_centi)
    if intent is Intent.HOLD:
        return Decision(reason=Reason.HOLD_ACTION, action=action)
    top = top_of(observation)
    if top is None:
        return Decision(reason=Reason.ONE_SIDED_BOOK, action=action)
    side = BookSide.BID if intent in (Intent.BUY_YES, Intent.SELL_NO) else BookSide.ASK
    price_cc = price_for(side, strategy.price_rule, top, observation.price_ranges)
    if price_cc is None:
        return Decision(reason=Reason.OFF_GRID, action=action)
    reduce_only = intent in (Intent.SELL_YES, Intent.SELL_NO)
    size_centi = size_order(
        side,
        price_cc,
        requested_centi,
        position_centi=observation.position_centi,
        cash_micros=observation.cash_micros,
        cash_share_ppm=strategy.cash_share_ppm,
        fee_rate_ppm=observation.taker_rate_ppm,
        reduce_only=reduce_only,
        max_position_centi=strategy.max_position_centi,
    )
    if size_centi == 0:
        return Decision(reason=Reason.NO_SIZE, action=action)
    target = Target(
        book_side=side,
        price_cc=price_cc,
        size_centi=size_centi,
        post_only=is_post_only(strategy.price_rule),
        reduce_only=reduce_only,
    )
    return Decision(targets=(target,), action=action)


def _from_probability(observation: Observation, probability: float, strategy: Strategy) -> Decision:
    top = top_of(observation)
    if top is None:
        return Decision(reason=Reason.ONE_SIDED_BOOK)
    fair = fair_ppm(probability)
    quotes = [quote(side, fair, observation, top, strategy) for side in BookSide]
    targets = tuple(each.target for each in quotes if each.target is not None)
    if targets:
        edge_cc = max(each.edge_cc for each in quotes if each.target is not None)
        return Decision(targets=targets, unmentioned=Unmentioned.PULL, edge_cc=edge_cc)
    reason = Reason.NO_SIZE if any(each.has_edge for each in quotes) else Reason.NO_EDGE
    return Decision(unmentioned=Unmentioned.PULL, reason=reason)
