"""Writes the pages of ``docs/reference`` from the code: ``make reference``. A test compares the two.

settings   every settings class            reasons   truebook.messages.reason_table
metrics    truebook.runtime.metric_table   holds     truebook.ledger.trading_holds        cli   the command's own help
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer import Typer
from typer.models import OptionInfo, ParameterInfo

from truebook.ledger.trading_holds import TRADING_HOLDS
from truebook.messages.reason_table import EXCLUSIONS, GROUPS
from truebook.runtime.metric_table import METRICS
from truebook.runtime.settings import TruebookSettings
from truebook_services.cli.__main__ import app
from truebook_services.cli.command_table import COMMANDS
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.recorder.settings import RecorderSettings

FOLDER: Final = Path(__file__).parents[1] / "docs/reference"
HEAD: Final = "<!-- Made from the code by `make reference`: change the code, not this page. -->\n"
TYPES: Final = {str: "text", int: "integer", float: "number", bool: "`true`, `false`", Path: "path"}
UNITS: Final = {
    "_per_s": "per second", "_s": "seconds", "_ms": "milliseconds", "_us": "microseconds",
    "_cc": "1/10,000 dollar", "_centi": "1/100 contract", "_micros": "micro-dollars", "_ppm": "millionths",
}  # fmt: skip
NO_DEFAULT: Final = "derived"
MARKUP: Final = re.compile(r"``(.+?)``")


class Setting(NamedTuple):
    """One field of the settings. ``name`` is dotted; ``embedded`` is the default of ``truebook run`` if it differs."""

    name: str
    type: str
    default: str
    embedded: str
    description: str

    @property
    def unit(self) -> str:
        return next((unit for suffix, unit in UNITS.items() if self.name.endswith(suffix)), "")


class Parameter(NamedTuple):
    """One option or argument of a command."""

    command: str
    name: str
    type: Any
    info: ParameterInfo
    default: Any

    @property
    def is_option(self) -> bool:
        return isinstance(self.info, OptionInfo)

    @property
    def kind(self) -> str:
        return "flag" if self.type is bool else _type(self.type)

    @property
    def shown(self) -> str:
        """The parameter as it is typed."""
        if not self.is_option:
            text = str(self.info.metavar or self.name.upper())
            return text if self.default is inspect.Parameter.empty else f"[{text}]"
        names = [self.info.default, *(self.info.param_decls or ())]  # in ``Annotated`` the first name is the "default"
        declared = [name for name in names if isinstance(name, str) and name.startswith("-")]
        return ", ".join(declared or [f"--{self.name.replace('_', '-')}"])


def sections() -> Iterator[tuple[str, type[BaseModel], Any]]:
    """Every section: its name, its class, and its value in ``truebook run``, where it has one."""
    yield "", EmbeddedSettings, None
    for name, field in EmbeddedSettings.model_fields.items():
        if isinstance(field.default, BaseModel):
            yield from _nested(name, type(field.default), field.default)
    yield from _nested("recorder", RecorderSettings, None)


def all_settings() -> list[Setting]:
    """Every setting, section by section."""
    return [
        _setting(f"{section}.{name}" if section else name, field, getattr(value, name, None), descriptions(cls)[name])
        for section, cls, value in sections()
        for name, field in cls.model_fields.items()
        if not _is_section(field)
    ]


@cache
def descriptions(cls: type[BaseModel]) -> dict[str, str]:
    """Return the docstring below each field of a settings class, empty without one.

    Read from the source here: pydantic would do so at each start of a process, which takes 40 ms of it.
    """
    found = dict.fromkeys(cls.model_fields, "")
    for base in reversed(cls.__mro__):
        if not base.__module__.startswith("truebook"):
            continue
        definition = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(definition, ast.ClassDef)
        for field, below in pairwise(definition.body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = inspect.cleandoc(text)
    return found


def settings_page() -> str:
    found = all_settings()
    lines = [
        "# Settings", "",
        "A setting is a line of `truebook.toml` (a section is a table) or an environment variable: `TRUEBOOK_` and its",
        "name in capitals, with `__` for each dot, such as `TRUEBOOK_INGEST__REFRESH_S`. Flags come first, then the",
        "environment, then the file, then the default. Defaults in brackets are those of `truebook run`.",
    ]  # fmt: skip
    for section, cls, _ in sections():
        own = [setting for setting in found if setting.name.rpartition(".")[0] == section]
        common = [setting for setting in own if section or setting.name in TruebookSettings.model_fields]
        lines += _settings_table(f"`[{section}]`" if section else "Common", cls.__doc__ if section else "", common)
        if not section:
            lines += _settings_table("Of `truebook run`", "", [setting for setting in own if setting not in common])
    return _page(lines)


def metrics_page() -> str:
    lines = [
        "# Metrics", "",
        "Every service serves `/metrics` in Prometheus's text format. Each series also has the label `service`. Alerts",
        "are in `deploy/prometheus/rules`, dashboards in `deploy/grafana/boards`.",
    ]  # fmt: skip
    rows = [
        (
            f"`{metric.exposed}`",
            metric.kind,
            ", ".join(f"`{label}`" for label in metric.labels),
            metric.unit,
            metric.help,
        )
        for metric in METRICS
    ]
    return _page([*lines, "", *_table(("metric", "type", "labels", "unit", "meaning"), rows)])


def reasons_page() -> str:
    lines = ["# Reasons", "", "Why something was not done, or can't be trusted: see [reasons.md](../reasons.md)."]
    for group in GROUPS:
        rows = [(f"`{reason}`", found.meaning, found.remedy) for reason, found in group.reasons.items()]
        lines += ["", f"## {group.title}", "", f"Reported by {group.reported_by}.", ""]
        lines += _table(("reason", "meaning", "what to do"), rows)
    lines += ["", "## Ingest does not select a market, in the order of its checks", ""]
    lines += ["Reported by ingest, in `market_updated` on the topic `markets`, and by `truebook why TICKER`.", ""]
    rows = [(f"`{exclusion}`", found.meaning, found.remedy) for exclusion, found in EXCLUSIONS.items()]
    lines += _table(("exclusion", "meaning", "what to do"), rows)
    return _page(lines)


def holds_page() -> str:
    lines = [
        "# Trading holds", "",
        "A trading hold is a named reason not to trade, with an owner who releases it. The most severe mode applies.",
        "A hold `NAME@TICKER` is in force in that market only. See [ledger.md](../ledger.md).", "",
    ]  # fmt: skip
    rows = [
        (
            f"`{hold.name}{'@TICKER' * hold.per_market}`",
            hold.owner,
            f"`{hold.mode}`",
            "kept" if hold.keeps_orders else "cancelled",
            hold.description,
        )
        for hold in TRADING_HOLDS
    ]
    return _page([*lines, *_table(("hold", "owner", "mode", "resting orders", "in force while"), rows)])


def commands() -> dict[str, Callable[..., Any]]:
    """Every command of ``truebook`` by name; the empty name is the command itself."""
    assert app.registered_callback is not None and app.registered_callback.callback is not None
    found: dict[str, Callable[..., Any]] = {"": app.registered_callback.callback}
    for name, entry in COMMANDS.items():
        loaded = entry.load()
        if isinstance(loaded, Typer):
            found |= {f"{name} {inner}".rstrip(): callback for inner, callback in _commands_of(loaded)}
        else:
            found[name] = loaded
    return found


def _commands_of(group: Typer) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every command of a group; the empty name is the group itself, if it can be called alone."""
    if group.info.invoke_without_command is True:
        assert group.registered_callback is not None and group.registered_callback.callback is not None
        yield "", group.registered_callback.callback
    for command in group.registered_commands:
        assert command.callback is not None
        yield command.name or command.callback.__name__.replace("_", "-"), command.callback


def parameters() -> list[Parameter]:
    """Every parameter of every command of ``truebook``."""
    found = []
    for command, callback in commands().items():
        for name, hint in get_type_hints(callback, include_extras=True).items():
            for info in getattr(hint, "__metadata__", ()):
                if isinstance(info, ParameterInfo):
                    default = inspect.signature(callback).parameters[name].default
                    found.append(Parameter(command, name, get_args(hint)[0], info, default))
    return found


def cli_page() -> str:
    every = parameters()
    lines = ["# Command line", "", f"{app.info.help} Exit codes are listed in [services.md](../services.md)."]
    for command, callback in commands().items():
        own = [each for each in every if each.command == command]
        usage = " ".join(["truebook", *([command] if command else []), *(e.shown for e in own if not e.is_option)])
        lines += ["", f"## `{usage}`", "", *([_cell(inspect.getdoc(callback)), ""] if command else [])]
        rows = [(f"`{each.shown}`", each.kind, _default(each.default), each.info.help) for each in own]
        lines += _table(("parameter", "type", "default", "meaning"), rows)
    return _page(lines)


PAGES: Final[dict[str, Callable[[], str]]] = {
    "settings": settings_page,
    "metrics": metrics_page,
    "reasons": reasons_page,
    "holds": holds_page,
    "cli": cli_page,
}


def _nested(name: str, cls: type[BaseModel], value: Any) -> Iterator[tuple[str, type[BaseModel], Any]]:
    yield name, cls, value
    for inner, field in cls.model_fields.items():
        if _is_section(field):
            yield from _nested(f"{name}.{inner}", type(field.default), getattr(value, inner, None))


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.default, BaseModel)


def _setting(name: str, field: FieldInfo, embedded: Any, description: str) -> Setting:
    default = NO_DEFAULT if field.default is PydanticUndefined else _value(field.default)
    differs = embedded is not None and _value(embedded) != default
    return Setting(name, _type(field.annotation), default, _value(embedded) if differs else "", description)


def _type(annotation: Any) -> str:
    """Describe a type as the reader of a settings file sees it; None is left out, the default shows it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (tuple, list):
        return f"list of {_type(arguments[0])}"
    if origin in (Union, UnionType):
        return " or ".join(_type(each) for each in arguments if each is not NoneType)
    if issubclass(annotation, Enum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    return TYPES[annotation]


def _value(value: Any) -> str:
    if value is None or value == "" or value == ():
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{', '.join(map(str, value)) if isinstance(value, tuple) else value}`"


def _settings_table(title: str, text: str | None, found: Sequence[Setting]) -> list[str]:
    rows = []
    for setting in found:
        default = f"{setting.default} ({setting.embedded})" if setting.embedded else setting.default
        rows.append((f"`{setting.name.rpartition('.')[2]}`", setting.type, default, setting.unit, setting.description))
    about = [" ".join((text or "").split()), ""] if text else []
    return ["", f"## {title}", "", *about, *_table(("setting", "type", "default", "unit", "meaning"), rows)]


def _default(value: Any) -> str:
    return "" if value is inspect.Parameter.empty or value is None or value is False or value == [] else _value(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str | None]]) -> list[str]:
    """A Markdown table without the columns that are empty in every row."""
    if not rows:
        return []
    kept = [place for place in range(len(head)) if any(row[place] for row in rows)]
    lines = [[head[place] for place in kept], ["---"] * len(kept)]
    lines += [[_cell(row[place]) for place in kept] for row in rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _cell(text: str | None) -> str:
    return MARKUP.sub(r"`\1`", " ".join((text or "").split())).replace("|", "\\|")


def _page(lines: Sequence[str]) -> str:
    return HEAD + "\n".join(lines).rstrip("\n") + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for title, page in PAGES.items():
        (FOLDER / f"{title}.md").write_text(page(), encoding="utf-8")
