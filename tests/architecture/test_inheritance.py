"""No class uses or overrides a private attribute that one of its bases defines: share behavior by composition."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from source_tree import SOURCES, Source, dotted, sources

Classes = dict[tuple[str, str], ast.ClassDef]
Imports = dict[str, dict[str, tuple[str, str]]]


def module_of(source: Source) -> str:
    return ".".join(source.name.removesuffix(".py").split("/")[1:]).removesuffix(".__init__")


def classes_and_imports(found: tuple[Source, ...]) -> tuple[Classes, Imports]:
    """Index every top-level class by (module, name), and per module what each imported name refers to."""
    classes: Classes = {}
    imports: Imports = {}
    for source in found:
        module = module_of(source)
        names = imports[module] = {}
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                names |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        for node in source.tree.body:
            if isinstance(node, ast.ClassDef):
                classes[module, node.name] = node
    return classes, imports


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_uses(node: ast.ClassDef) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of every private attribute of ``self``, ``cls`` or ``super()`` in a class body."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and is_private(part.attr):
            owner = dotted(part.value.func if isinstance(part.value, ast.Call) else part.value)
            if owner in ("self", "cls", "super"):
                yield part.lineno, part.attr


def private_definitions(node: ast.ClassDef) -> set[str]:
    """Names of the private methods, class attributes and assigned instance attributes of one class."""
    names = {part.name for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)}
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store) and dotted(part.value) == "self":
            names.add(part.attr)
        elif isinstance(part, ast.AnnAssign | ast.Assign) and part in node.body:
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if is_private(name)}


def bases_of(key: tuple[str, str], classes: Classes, imports: Imports) -> Iterator[tuple[str, str]]:
    """Yield the bases of a class that are part of the product, direct ones first."""
    module, _ = key
    for base in classes[key].bases:
        name = dotted(base.value if isinstance(base, ast.Subscript) else base)
        first, _, rest = name.partition(".")
        owner = imports[module].get(first, (module, first))
        found = (".".join(owner), rest) if rest else owner
        if found in classes:
            yield found
            yield from bases_of(found, classes, imports)


def violations(found: tuple[Source, ...]) -> list[str]:
    classes, imports = classes_and_imports(found)
    listed = []
    for key, node in classes.items():
        for base in dict.fromkeys(bases_of(key, classes, imports)):
            inherited = private_definitions(classes[base])
            used = {name: line for line, name in private_uses(node)} | {
                part.name: part.lineno for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            listed += [
                f"{key[0]}:{used[name]}: {key[1]} uses {base[1]}.{name}" for name in sorted(inherited & used.keys())
            ]
    return listed


def test_no_class_uses_a_private_attribute_of_its_base() -> None:
    assert violations(sources(*SOURCES)) == []


@pytest.mark.parametrize(
    ("derived", "found"),
    [
        ("    def go(self):\n        return self._state", 1),
        ("    def _step(self): ...", 1),
        ("    def go(self):\n        return super()._step()", 1),
        ("    def go(self):\n        self._own = 1\n        return self._own", 0),
    ],
)
def test_the_check_finds_uses_and_overrides(derived: str, found: int) -> None:
    base = "class Base:\n    def __init__(self):\n        self._state = 1\n    def _step(self): ...\n"
    sample = tuple(
        Source(f"libs/{name}.py", text, ast.parse(text))
        for name, text in (("base", base), ("derived", f"from base import Base\nclass Derived(Base):\n{derived}\n"))
    )
    assert len(violations(sample)) == found
