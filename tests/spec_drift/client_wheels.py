"""What the wheels of the exchange's clients state about its API: read as text, nothing of them is run."""

from __future__ import annotations

import ast
import re
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

_FIELD = re.compile(r"^    (\w+): (?P<kind>.+?)(?: = (?P<default>.+))?$", re.MULTILINE)
_ALIAS = re.compile(r'alias="(\w+)"')
_TYPE = re.compile(r"\b([A-Z]\w+)\b")
_ENUM_FIELD = re.compile(r"@field_validator\('(\w+)'\).*?not in set\(\[(.*?)\]\)", re.DOTALL)
_ENUM_MEMBER = re.compile(r"^    \w+ = '([^']*)'$", re.MULTILINE)
_SKIPPED = ("additional_properties", "model_config")


class Operation(NamedTuple):
    """One operation: its query parameters, and the model of its response (empty if it has none)."""

    parameters: tuple[str, ...]
    model: str


class Field(NamedTuple):
    """One field of a model; ``model`` names the model of its value or of its elements, if it is one."""

    required: bool
    model: str


class Api(NamedTuple):
    """Operations by "METHOD path", models by name, enums by "Model.field" or the enum's name."""

    operations: dict[str, Operation]
    models: dict[str, dict[str, Field]]
    enums: dict[str, tuple[str, ...]]


def read_official(wheel: Path) -> Api:
    """Read the official client's wheel."""
    operations: dict[str, Operation] = {}
    sources: dict[str, str] = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if re.search(r"/api/\w+_api\.py$", name):
                operations |= _operations(archive.read(name).decode())
            elif re.search(r"/models/(?!__init__)\w+\.py$", name):
                text = archive.read(name).decode()
                found = re.search(r"^class (\w+)\(", text, re.MULTILINE)
                if found is not None:
                    sources[found[1]] = text
    models = {name: _fields(text, sources.keys()) for name, text in sources.items()}
    enums = {name: tuple(_ENUM_MEMBER.findall(text)) for name, text in sources.items() if "(str, Enum)" in text}
    for name, text in sources.items():
        for field, values in _ENUM_FIELD.findall(text):
            enums[f"{name}.{field}"] = tuple(re.findall(r"'([^']*)'", values))
    return Api(operations, models, enums)


def _operations(text: str) -> dict[str, Operation]:
    responses = dict(re.findall(r"async def (\w+)\(.*?'20[01]': \"?(\w+)\"?", text, re.DOTALL))
    found = {}
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.endswith("_serialize"):
            continue
        parameters: list[object] = []
        where: dict[str | None, object] = {}
        for call in (one for one in ast.walk(node) if isinstance(one, ast.Call)):
            name = getattr(call.func, "attr", "")
            if name == "append" and getattr(getattr(call.func, "value", None), "id", "") == "_query_params":
                parameters += [one.value for one in ast.walk(call) if isinstance(one, ast.Constant)][:1]
            elif name == "param_serialize":
                where = {one.arg: one.value.value for one in call.keywords if isinstance(one.value, ast.Constant)}
        key = f"{where['method']} {where['resource_path']}"
        response = responses.get(node.name.removeprefix("_").removesuffix("_serialize"), "")
        found[key] = Operation(tuple(dict.fromkeys(map(str, parameters))), "" if response == "None" else response)
    return found


def _fields(text: str, models: Collection[str]) -> dict[str, Field]:
    fields = {}
    for match in _FIELD.finditer(text.partition("__properties")[0]):
        name, kind, default = match[1], match["kind"], match["default"] or ""
        if name in _SKIPPED or name.startswith("_"):
            continue
        alias = _ALIAS.search(default)
        inner = [] if "Dict[" in kind else [one for one in _TYPE.findall(kind) if one in models]
        is_required = not kind.startswith("Optional") and "default" not in default
        fields[alias[1] if alias else name] = Field(is_required, inner[0] if inner else "")
    return fields


def read_channels(wheel: Path) -> tuple[str, ...]:
    """Read the stream channels that the wheel of ``kalshi-sdk`` has."""
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read("kalshi/ws/channels.py").decode()
    return tuple(dict.fromkeys(re.findall(r'^    "(\w+)": frozenset', text, re.MULTILINE)))
