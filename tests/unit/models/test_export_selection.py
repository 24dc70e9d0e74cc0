"""Which columns of a trainer's output become the model's outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.decision.strategy import TRADES, Intent, Output, Strategy, intent_of
from truebook.models.conversion.selection import of_probabilities, of_values
from truebook.models.errors import NotConvertible

YES = Strategy(output=Output.YES_PROBABILITY, sizes_centi=(500,))
ACTIONS = Strategy(output=Output.ACTION_LOGITS, sizes_centi=(500,))
TWO_SIZES = Strategy(output=Output.ACTION_LOGITS, sizes_centi=(500, 1_000))
ROW = np.array([[0.2, 0.5, 0.3]])


@pytest.mark.parametrize(
    ("classes", "yes", "column"),
    [
        ([0, 1], None, 1),
        ([1, 0], None, 0),
        ([False, True], None, 1),
        ([np.int64(0), np.int64(1)], None, 1),
        (["no", "yes"], "yes", 1),
        (["up", "down"], "up", 0),
        ([-1, 1], 1, 1),
        (["down", "flat", "up"], "flat", 1),
    ],
)
def test_the_column_of_yes_is_chosen_by_its_class(classes: list[Any], yes: Any, column: int) -> None:
    assert of_probabilities(classes, YES, yes, None).columns == (column,)


@pytest.mark.parametrize(
    ("classes", "yes", "message"),
    [
        (["down", "up"], None, r"classes are \['down', 'up'\]: state the one that means YES"),
        ([-1, 1], None, r"state the one that means YES with yes="),
        ([0, 1], "1", "'1' is none of them"),
    ],
)
def test_a_class_is_not_guessed(classes: list[Any], yes: Any, message: str) -> None:
    with pytest.raises(NotConvertible, match=message):
        of_probabilities(classes, YES, yes, None)


def test_classes_become_actions_by_their_map() -> None:
    selection = of_probabilities(["down", "flat", "up"], ACTIONS, None, {"flat": 0, "up": 1, "down": Intent.BUY_NO})
    assert selection.apply(ROW).tolist() == [[0.5, 0.3, -1.0, 0.2, -1.0]]


def test_an_intent_of_one_size_is_its_action_id() -> None:
    for intent in Intent:
        selection = of_probabilities([0], ACTIONS, None, {0: intent})
        action = selection.columns.index(0)
        assert intent_of(action, ACTIONS.sizes_centi)[0] is intent
    assert len(TRADES) == 4


@pytest.mark.parametrize(
    ("strategy", "actions", "message"),
    [
        (ACTIONS, None, r"classes are \[0, 1, 2\], the action ids are 0..4: map each class"),
        (ACTIONS, {0: 0, 1: 1}, r"no action for the classes \[2\]"),
        (ACTIONS, {0: 0, 1: 1, 2: 1}, r"an id of its own in 0..4, it gives \[0, 1, 1\]"),
        (ACTIONS, {0: 0, 1: 1, 2: 5}, r"an id of its own in 0..4"),
        (TWO_SIZES, {0: 0, 1: Intent.BUY_YES, 2: 3}, r"with 2 sizes, buy_yes is no single action"),
        (YES, {0: 0, 1: 1, 2: 2}, "actions=… is for the output action_logits"),
    ],
)
def test_wrong_maps_of_actions_are_refused(strategy: Strategy, actions: Any, message: str) -> None:
    with pytest.raises(NotConvertible, match=message):
        of_probabilities([0, 1, 2], strategy, None, actions)


def test_a_class_of_yes_is_refused_for_actions() -> None:
    with pytest.raises(NotConvertible, match="yes=… is for the output yes_probability"):
        of_probabilities([0, 1], ACTIONS, 1, {0: 0, 1: 1})


def test_values_are_clipped_for_a_probability_only() -> None:
    assert of_values(1, YES).apply([-0.5, 0.25, 1.5]).tolist() == [[0.0], [0.25], [1.0]]
    assert of_values(5, ACTIONS).apply([[-7.0, 0.0, 1.0, 2.0, 3.0]]).tolist() == [[-7.0, 0.0, 1.0, 2.0, 3.0]]


def test_the_number_of_values_must_fit() -> None:
    with pytest.raises(NotConvertible, match="returns 1 values a row, action_logits needs 5"):
        of_values(1, ACTIONS)
    with pytest.raises(NotConvertible, match=r"shape \(1, 3\), expected \[rows, 1\]"):
        of_values(1, YES).apply(ROW)


@given(st.permutations(range(5)), st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_each_action_has_the_probability_of_its_class(ids: list[int], row: list[float]) -> None:
    classes = [f"class {place}" for place in range(5)]
    selection = of_probabilities(classes, ACTIONS, None, dict(zip(classes, ids, strict=True)))
    chosen = selection.apply([row])[0]
    assert [chosen[action] for action in ids] == row
