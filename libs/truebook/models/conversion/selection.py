"""Which numbers of a trainer's output become the model's outputs, and which are constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from truebook.decision.strategy import TRADES, Intent, Output, Strategy
from truebook.models.conversion.parts import Outputs
from truebook.models.errors import NotConvertible

NEVER_CHOSEN: Final = -1.0
"""The score of an action without a class: below every probability."""

Actions = Mapping[Any, int | Intent]
"""Class label → action id; an ``Intent`` for a model of one size."""


class Selection(msgspec.Struct, frozen=True):
    """Output j is the trainer's column ``columns[j]``, or ``NEVER_CHOSEN`` where that is None."""

    columns: tuple[int | None, ...]
    width: int
    """Of the trainer's output."""
    is_probability: bool
    """Clip to 0..1: a regressor exceeds it, and so does the sum of a forest, by its rounding error."""

    def apply(self, raw: npt.ArrayLike) -> Outputs:
        """Select from a trainer's output [n, width], or [n] of width 1; raises ``NotConvertible`` for another shape."""
        rows = np.asarray(raw, np.float64)
        rows = rows.reshape(-1, 1) if rows.ndim == 1 else rows
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise NotConvertible(f"its output has shape {rows.shape}, expected [rows, {self.width}]")
        parts = [np.full(len(rows), NEVER_CHOSEN) if at is None else rows[:, at] for at in self.columns]
        selected = np.stack(parts, axis=1)
        return np.clip(selected, 0.0, 1.0) if self.is_probability else selected


def of_probabilities(classes: Sequence[Any], strategy: Strategy, yes: Any, actions: Actions | None) -> Selection:
    """Select from one probability per class, in the order of ``classes``; raises ``NotConvertible``.

    ``yes``: the class that means YES; not needed for 0 and 1. ``actions``: not needed where the classes are all the
    action ids.
    """
    labels = [label.item() if isinstance(label, np.generic) else label for label in classes]
    if strategy.output is Output.YES_PROBABILITY:
        if actions is not None:
            raise NotConvertible("actions=… is for the output action_logits; state the class of YES with yes=…")
        return Selection((_yes_column(labels, yes),), len(labels), is_probability=True)
    if yes is not None:
        raise NotConvertible("yes=… is for the output yes_probability; map classes to action ids with actions={…}")
    ids = _action_ids(labels, strategy, actions)
    columns = tuple(ids.index(action) if action in ids else None for action in range(strategy.outputs))
    return Selection(columns, len(labels), is_probability=False)


def of_values(width: int, strategy: Strategy) -> Selection:
    """Take a regressor's values as they are: one, or one per action id; raises ``NotConvertible``."""
    if width != strategy.outputs:
        what = f"it returns {width} values a row, {strategy.output.value} needs {strategy.outputs}"
        raise NotConvertible(f"{what}: fit one target per output")
    is_probability = strategy.output is Output.YES_PROBABILITY
    return Selection(tuple(range(width)), width, is_probability=is_probability)


def _yes_column(labels: list[Any], yes: Any) -> int:
    if yes is None and len(labels) == 2 and set(labels) == {0, 1}:
        yes = 1
    if yes is None or yes not in labels:
        stated = "" if yes is None else f"; {yes!r} is none of them"
        raise NotConvertible(f"its classes are {labels}{stated}: state the one that means YES with yes=…")
    return labels.index(yes)


def _action_ids(labels: list[Any], strategy: Strategy, actions: Actions | None) -> list[int]:
    """Return the action id of each class."""
    count = strategy.outputs
    if actions is None:
        if set(labels) != set(range(count)):
            what = f"its classes are {labels}, the action ids are 0..{count - 1}"
            raise NotConvertible(f"{what}: map each class to an action with actions={{class: id}}")
        return [int(label) for label in labels]
    missing = [label for label in labels if label not in actions]
    if missing:
        raise NotConvertible(f"actions={{…}} has no action for the classes {missing}")
    ids = [_action_id(actions[label], strategy) for label in labels]
    if len(set(ids)) != len(ids) or not all(0 <= each < count for each in ids):
        raise NotConvertible(f"actions={{…}} must give each class an id of its own in 0..{count - 1}, it gives {ids}")
    return ids


def _action_id(action: int | Intent, strategy: Strategy) -> int:
    if not isinstance(action, Intent):
        return int(action)
    if len(strategy.sizes_centi) != 1:
        raise NotConvertible(f"with {len(strategy.sizes_centi)} sizes, {action!s} is no single action: state its id")
    return 0 if action is Intent.HOLD else 1 + TRADES.index(action)
