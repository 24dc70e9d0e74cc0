"""The shape of packages: few imports between their parts, short chains of them, and no cycles.

A part of a package is a module or a folder directly in it; a folder counts as one.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter

import pytest
from source_tree import SOURCES, sources

LIMITS = {
    "truebook.ledger": (25, 5),
    "truebook_services.paper_exchange": (35, 6),
}
"""Package: most imports between its parts, most parts in a chain of them."""
PACKAGES = (
    "truebook", "truebook.alerts", "truebook.book", "truebook.bus", "truebook.capture", "truebook.decision",
    "truebook.evidence", "truebook.features", "truebook.kalshi", "truebook.ledger", "truebook.live",
    "truebook.messages", "truebook.models", "truebook.pacing", "truebook.runtime", "truebook.simulation",
    "truebook.venue",
    "truebook_services", "truebook_services.cli", "truebook_services.dashboard", "truebook_services.embedded",
    "truebook_services.execution",
    "truebook_services.fill_listener", "truebook_services.ingest", "truebook_services.observation",
    "truebook_services.operator", "truebook_services.paper_exchange", "truebook_services.policy",
    "truebook_services.reconciler", "truebook_services.recorder", "truebook_services.serving",
)  # fmt: skip

Parts = dict[str, frozenset[str]]


@cache
def imports() -> dict[str, set[str]]:
    """Each module of the product -> the modules of the product that it imports."""
    trees = {source.module: source.tree for source in sources(*SOURCES)}
    found: dict[str, set[str]] = {}
    for module, tree in trees.items():
        names = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                full = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= {name if name in trees else node.module for name in full}
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
        found[module] = names & set(trees)
    return found


def parts(package: str) -> Parts:
    """Each part of a package -> the other parts that it imports."""
    edges: dict[str, set[str]] = defaultdict(set)
    prefix = f"{package}."
    for module, imported in imports().items():
        if module.startswith(prefix):
            here = module.removeprefix(prefix).partition(".")[0]
            there = {name.removeprefix(prefix).partition(".")[0] for name in imported if name.startswith(prefix)}
            edges[here] |= there - {here}
    return {part: frozenset(names) for part, names in edges.items()}


def longest_chain(edges: Parts) -> int:
    """The number of parts in the longest chain of imports; raises ``CycleError``."""
    length: dict[str, int] = {}
    for part in TopologicalSorter(edges).static_order():
        length[part] = 1 + max((length[name] for name in edges.get(part, ())), default=0)
    return max(length.values(), default=0)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_parts_of_a_package_have_no_cycle(package: str) -> None:
    assert parts(package), "the package has modules"
    longest_chain(parts(package))


@pytest.mark.parametrize("package", LIMITS)
def test_a_package_stays_loosely_coupled(package: str) -> None:
    edges = parts(package)
    max_imports, max_chain = LIMITS[package]
    assert sum(map(len, edges.values())) <= max_imports
    assert longest_chain(edges) <= max_chain


def test_a_cycle_and_a_chain_are_found() -> None:
    assert longest_chain({"a": frozenset("b"), "b": frozenset("c")}) == 3
    with pytest.raises(CycleError):
        longest_chain({"a": frozenset("b"), "b": frozenset("a")})
