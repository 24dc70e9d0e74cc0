"""What ``truebook models list`` prints: the models of the registry, and what was done to them automatically."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from rich.markup import escape
from rich.table import Table

from truebook.clock import MICROS
from truebook.models.guard import Drawdown
from truebook.models.history import Change
from truebook.models.pointer import Failure
from truebook_services.cli.amounts import dollars
from truebook_services.cli.table_console import table_console
from truebook_services.operator.requests import ListedModel, ModelList


class History(msgspec.Struct, frozen=True, kw_only=True):
    """All changes of the registry, oldest first."""

    changes: tuple[Change, ...]


def print_models(listed: ModelList) -> None:
    """Write the models as a table; that no model decides comes first."""
    console = table_console()
    if listed.stopped is not None:
        console.print(f"[bold red]no model decides[/bold red]: {_failure(listed.stopped)}", soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for name in ("model", "use", "layout", "output", "sha256"):
        table.add_column(name, no_wrap=True)
    for each in listed.models:
        if each.refused is not None:
            table.add_row(escape(each.name), _use(each, is_stopped=False), "refused", "", "")
        else:
            use = _use(each, is_stopped=listed.stopped is not None)
            table.add_row(escape(each.name), use, each.layout, each.output, (each.sha256 or "")[:12])
    console.print(table)
    for each in listed.models:
        if each.refused is not None:
            console.print(f"{escape(each.name)} is refused: {escape(each.refused)}", soft_wrap=True)
    if listed.rolled_back is not None:
        console.print(f"rolled back: {_failure(listed.rolled_back)}", soft_wrap=True)
    if listed.drawdown is not None:
        console.print(f"drawdown since the activation: {_drawdown(listed.drawdown)}", soft_wrap=True)


def print_history(history: History) -> None:
    """Write one line per change; that there is none is stated."""
    if not history.changes:
        print("no change so far: the default model is in use")
    for each in history.changes:
        model = "none" if each.model is None else f"{each.model.name} ({each.model.sha256[:12]})"
        details = (each.reason, each.evidence, each.observation_id and f"from observation {each.observation_id}")
        text = "; ".join(detail for detail in details if detail)
        print(f"{time_text(each.at_us)}  {each.kind:<14}  {model}, by {each.by}{text and f': {text}'}")


def time_text(at_us: int) -> str:
    """Format a time for people, in UTC, to the second."""
    return f"{datetime.fromtimestamp(at_us / MICROS, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _use(model: ListedModel, *, is_stopped: bool) -> str:
    uses = [("active, stopped" if is_stopped else "active")] if model.is_active else []
    uses += ["shadow"] if model.is_shadow else []
    uses += ["previous"] if model.is_previous else []
    return ", ".join(uses)


def _failure(failure: Failure) -> str:
    text = f"{failure.model.name} ({failure.model.sha256[:12]}), {time_text(failure.at_us)}, by {failure.by}"
    return escape(f"{text}: {failure.breach.text}")


def _drawdown(state: Drawdown) -> str:
    if state.unvalued_since_us is not None:
        return f"not known since {time_text(state.unvalued_since_us)}: a position has no known value"
    return dollars(state.drawdown_micros)
