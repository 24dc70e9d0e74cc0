"""Tables of the report as HTML: text left, numbers right; a value is that of the realistic pass with its band below."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Final, NamedTuple, TypeVar

from truebook.backtest.analysis.attribution import Group
from truebook.backtest.analysis.statistics import PassStatistics
from truebook.backtest.report.numbers import UNKNOWN
from truebook.simulation.recorded.queue import QueueModel

Value = TypeVar("Value", int, float)
CODE: Final = re.compile(r"`([^`]+)`")


class Cell(NamedTuple):
    """A cell: its text, and a smaller second line."""

    text: str
    below: str = ""


class Table(NamedTuple):
    """A table. The first column is the row's name; the others are right-aligned unless named in ``text_columns``.

    ``is_narrow``: cells break into lines where the screen is narrow; else the table scrolls sideways there.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    note: str = ""
    text_columns: frozenset[int] = frozenset()
    is_narrow: bool = False


def band(values: Iterable[tuple[QueueModel, Value | None]], form: Callable[[Value], str]) -> Cell:
    """Return the realistic value (or the first one) with the range of all passes, if they differ."""
    known = [(queue, value) for queue, value in values if value is not None]
    if not known:
        return Cell(UNKNOWN)
    middle = next((value for queue, value in known if queue is QueueModel.REALISTIC), known[0][1])
    low, high = form(min(value for _, value in known)), form(max(value for _, value in known))
    return Cell(form(middle), "" if low == high else f"{low} to {high}")


def groups_by_key(
    passes: Sequence[PassStatistics], groups_of: Callable[[PassStatistics], Sequence[Group]]
) -> dict[str, list[tuple[QueueModel, Group]]]:
    """Return each key with its group in every pass; an empty group where a pass has none."""
    by_pass = [(one.queue, {group.key: group for group in groups_of(one)}) for one in passes]
    keys = sorted({key for _, groups in by_pass for key in groups})
    return {key: [(queue, groups.get(key, Group(key=key))) for queue, groups in by_pass] for key in keys}


def table_html(table: Table) -> str:
    """Return a table in a box that scrolls sideways; empty text for a table without rows."""
    if not table.rows:
        return ""
    head = "".join(
        f'<th scope="col"{_class(column, table)}>{escape(name)}</th>' for column, name in enumerate(table.header)
    )
    body = "".join(f"<tr>{_row(row, table)}</tr>" for row in table.rows)
    note = f'<p class="note">{inline(table.note)}</p>' if table.note else ""
    narrow = ' class="narrow"' if table.is_narrow else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.caption)}"><table{narrow}>'
        f"<caption>{escape(table.caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}"
    )


def inline(text: str) -> str:
    """Escape text; what is between backticks is code."""
    return CODE.sub(r"<code>\1</code>", escape(text))


def _row(row: Sequence[Cell | str], table: Table) -> str:
    cells = []
    for column, each in enumerate(row):
        cell = Cell(each) if isinstance(each, str) else each
        below = f"<small>{escape(cell.below)}</small>" if cell.below else ""
        tag, scope = ("th", ' scope="row"') if column == 0 else ("td", "")
        cells.append(f"<{tag}{scope}{_class(column, table)}>{inline(cell.text)}{below}</{tag}>")
    return "".join(cells)


def _class(column: int, table: Table) -> str:
    return ' class="text"' if column == 0 or column in table.text_columns else ""
