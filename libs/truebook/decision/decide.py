"""One observation and one row of model output → one decision.

* ``action_logits``: no target (HOLD) or one. BUY_YES and SELL_NO are bids, BUY_NO and SELL_YES are asks; SELLs are
  reduce-only. Orders of the omitted side are **kept**: an action id concerns one side only.
* ``yes_probability``: up to one quote per side. Orders of an omitted side are **cancelled**: the probability no longer
  supports them.

A refusal (a missing side, no price on the grid) has no targets and keeps working orders. The model's name is not used:
a switch of models must not change an action's id.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from truebook.decision.prices import is_post_only, price_for, top_of
from truebook.decision.quoting import fair_ppm, quote
from truebook.decision.sizing import size_order
from truebook.decision.strategy import Intent, Output, Strategy, intent_of
from truebook.messages.actions import OmittedSides, Target
from truebook.messages.envelope import BookSide
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason

__all__ = ["Decision", "Strategy", "decide", "decide_action"]


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The orders that should be working. ``reason`` is given if there are no targets."""

    targets: tuple[Target, ...] = ()
    omitted_sides: OmittedSides = OmittedSides.KEEP
    edge_cc: int = 0
    """Largest expected gain per contract among the targets; 0 for ``action_logits``, which has none."""
    reason: Reason | None = None
    action: int | None = None
    """The selected action id, for ``action_logits``."""
    probability: float | None = None
    """The model's output, for ``yes_probability`` with a two-sided book."""


def decide(observation: Observation, output_row: Sequence[float], strategy: Strategy) -> Decision:
    """Turn one row of the model's output into a decision; raise ``ValueError`` for a row of another width.

    ``output_row`` must be finite (``Model.run`` checks it).
    """
    if len(output_row) != strategy.outputs:
        raise ValueError(f"{strategy.output} needs {strategy.outputs} numbers a row, got {len(output_row)}")
    if strategy.output is Output.YES_PROBABILITY:
        return _from_probability(observation, float(output_row[0]), strategy)
    return decide_action(observation, list(output_row).index(max(output_row)), strategy)


def decide_action(observation: Observation, action: int, strategy: Strategy) -> Decision:
    """Turn an action id into a decision; raise ``ValueError`` for an id that the map does not have."""
    intent, requested_centi = intent_of(action, strategy.sizes_centi)
    if intent is Intent.HOLD:
        return Decision(reason=Reason.NO_ACTION, action=action)
    top = top_of(observation)
    if top is None:
        return Decision(reason=Reason.ONE_SIDED_BOOK, action=action)
    side = BookSide.BID if intent in (Intent.BUY_YES, Intent.SELL_NO) else BookSide.ASK
    price_cc = price_for(side, strategy.price_rule, top, observation.price_ranges)
    if price_cc is None:
        return Decision(reason=Reason.OFF_GRID, action=action)
    reduce_only = intent in (Intent.SELL_YES, Intent.SELL_NO)
    size_centi = size_order(
        side, price_cc, requested_centi, position_centi=observation.position_centi,
        cash_micros=observation.cash_micros, cash_share_ppm=strategy.cash_share_ppm,
        fee_rate_ppm=observation.taker_rate_ppm, reduce_only=reduce_only,
        max_position_centi=strategy.max_position_centi,
    )  # fmt: skip
    if size_centi == 0:
        return Decision(reason=Reason.ZERO_SIZE, action=action)
    target = Target(
        book_side=side, price_cc=price_cc, size_centi=size_centi, post_only=is_post_only(strategy.price_rule),
        reduce_only=reduce_only,
    )  # fmt: skip
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
        return Decision(
            targets=targets, omitted_sides=OmittedSides.CANCEL, edge_cc=edge_cc, probability=probability
        )  # fmt: skip
    reason = Reason.ZERO_SIZE if any(each.has_edge for each in quotes) else Reason.NO_EDGE
    return Decision(omitted_sides=OmittedSides.CANCEL, reason=reason, probability=probability)
