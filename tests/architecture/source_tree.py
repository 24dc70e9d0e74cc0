"""The product's source files, parsed once, for the architecture tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("libs", "services")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file; ``name`` is its path from the root, as tests report it."""

    name: str
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        """The dotted name under which a file of the product is imported."""
        parts = self.name.removesuffix(".py").removesuffix("/__init__").split("/")
        return ".".join(parts[1:])

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Yield every function and method with its location."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield f"{self.name}:{node.lineno} {node.name}", node


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Return the Python files below these folders of the repository."""
    found = []
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            found.append(Source(path.relative_to(ROOT).as_posix(), text, ast.parse(text)))
    return tuple(found)


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of a name or an attribute; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""
