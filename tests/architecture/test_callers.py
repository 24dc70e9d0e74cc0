"""Whatever the ledger can do or refuse is used: each verb has a caller in the product, each reason a producer.

A rule that no process reaches is not a feature. Reasons that are only compared, matched or explained are not produced.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from enum import Enum
from functools import cache
from importlib import resources

import pytest
from source_tree import SOURCES, sources

from truebook.ledger import trading_holds
from truebook.ledger.trading_holds import LEDGER_OWNER, TRADING_HOLDS, TradingHold
from truebook.ledger.verbs import VERBS
from truebook.messages.markets import Exclusion
from truebook.messages.reason_table import LEDGER
from truebook.messages.reasons import Reason

RULES = "truebook.ledger.rules"
NO_CALLERS = ("truebook.ledger.verbs", RULES)
"""Where verbs are declared and applied."""
NO_PRODUCERS = ("truebook.messages.reason", "truebook.messages.markets", "truebook.evidence")
"""Where reasons are declared and explained."""
HOLD_NAMES = {
    id(value): name for name, value in vars(trading_holds).items() if isinstance(value, TradingHold)
}  # fmt: skip


@cache
def modules() -> dict[str, ast.Module]:
    return {source.module: source.tree for source in sources(*SOURCES)}


def outside(*prefixes: str) -> Iterator[ast.Module]:
    return (tree for module, tree in modules().items() if not module.startswith(prefixes))


@cache
def called_names() -> frozenset[str]:
    """Return the names that are called, as a function or class, outside the declarations of the verbs."""
    calls = (node.func for tree in outside(*NO_CALLERS) for node in ast.walk(tree) if isinstance(node, ast.Call))
    return frozenset(func.id for func in calls if isinstance(func, ast.Name))


def produced(enum: type[Enum]) -> frozenset[str]:
    """Return the members that are used as a value: not in a comparison, a pattern, or as a key."""
    return frozenset(name for tree in outside(*NO_PRODUCERS) for name in _values(tree, enum.__name__))


def _values(node: ast.AST, enum: str) -> Iterator[str]:
    if isinstance(node, ast.Compare | ast.MatchValue):
        return
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == enum:
        yield node.attr
    children: list[ast.AST] = list(node.values) if isinstance(node, ast.Dict) else list(ast.iter_child_nodes(node))
    for child in children:
        yield from _values(child, enum)


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _method_calls(tree: ast.Module, *methods: str) -> Iterator[ast.expr]:
    """List the objects whose methods are called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods:
            yield node.func.value


@cache
def placed_holds() -> frozenset[str]:
    placed = [_names(value) for tree in modules().values() for value in _method_calls(tree, "place", "of_market")]
    by_rules = [_names(tree) for module, tree in modules().items() if module.startswith(RULES)]
    return frozenset().union(*placed, *by_rules)


@cache
def released_holds() -> frozenset[str]:
    """Return the names in modules that release holds."""
    trees = (tree for tree in outside("truebook.ledger.trading_holds") if any(_method_calls(tree, "release")))
    return frozenset().union(*map(_names, trees))


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_a_caller(verb: str) -> None:
    assert VERBS[verb].__name__ in called_names()


@pytest.mark.parametrize("enum", [Reason, Exclusion], ids=lambda enum: enum.__name__)
def test_each_reason_is_produced(enum: type[Enum]) -> None:
    assert {member.name for member in enum} - produced(enum) == set()


def test_the_scripts_produce_each_reason_of_the_ledger() -> None:
    folder = resources.files("truebook.ledger") / "lua"
    text = "".join(folder.joinpath(name).read_text("utf-8") for name in ("reserve.lua", "include/decision.lua"))
    refused = [str(reason) for reason in LEDGER.reasons if reason is not Reason.DUPLICATE_ACTION]
    assert [reason for reason in refused if not re.search(rf"['(:]{reason}'", text)] == []


@pytest.mark.parametrize("hold", TRADING_HOLDS, ids=lambda hold: hold.name)
def test_each_hold_is_placed_and_released(hold: TradingHold) -> None:
    name = HOLD_NAMES[id(hold)]
    assert name in placed_holds()
    assert hold.owner == LEDGER_OWNER or name in released_holds(), "an operator releases the ledger's by their names"


def test_a_reason_that_is_only_compared_is_not_produced() -> None:
    lines = (
        "if reason is Reason.A: pass", "match reason:", "    case Reason.B: pass", "keys = {Reason.C: Reason.D}",
        "use(Reason.E)",
    )  # fmt: skip
    assert sorted(_values(ast.parse("\n".join(lines)), "Reason")) == ["D", "E"]
