"""The page of a statement: one file without scripts, whose policy forbids the browser any network request."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Final

from truebook.statement.document import Column, Document, Section, Table

_STYLE: Final = """
:root{color-scheme:light dark;--page:#fff;--panel:#f5f6f8;--text:#1b1f24;--muted:#57606a;--rule:#d8dce1;
--good:#0069a8;--bad:#b64a00}
@media(prefers-color-scheme:dark){:root{--page:#14171b;--panel:#1d2127;--text:#e8eaed;--muted:#a2abb5;--rule:#363c44;
--good:#56b4e9;--bad:#e69f00}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);line-height:1.5;-webkit-text-size-adjust:100%;
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:76rem;margin:0 auto;padding:1rem}
h1 span{white-space:nowrap}
h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0 0;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2rem 0 .4rem}
p{margin:.35rem 0;max-width:60rem;overflow-wrap:anywhere}
.muted{color:var(--muted);font-size:.9rem}
.summary{background:var(--panel);border-left:4px solid var(--good);padding:.6rem 1rem;margin:1rem 0}
.summary.bad{border-color:var(--bad)}
ul{list-style:none;margin:.5rem 0 0;padding:0}
li{padding-left:1.6rem;text-indent:-1.6rem;margin:.25rem 0}
li b{display:inline-block;width:1.6rem;text-indent:0;color:var(--good)}
li.bad b{color:var(--bad)}
.scroll{overflow-x:auto;margin:.5rem 0}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--rule);text-align:left;white-space:nowrap;vertical-align:top}
.n{text-align:right}
td.long{white-space:normal;min-width:14rem;overflow-wrap:anywhere}
thead th{border-bottom-width:2px;color:var(--muted);font-weight:600}
tbody th{font-weight:500}
tr.total th,tr.total td{border-bottom:0;border-top:2px solid var(--rule);font-weight:600}
tr>:first-child{padding-left:0}
small{font-size:.85em;color:var(--muted)}
.id{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.85em}
@media(max-width:40rem){main{padding:.75rem}h1{font-size:1.25rem}table{font-size:.8rem}th,td{padding:.25rem .4rem}
.detail{display:none}td:first-child{white-space:normal;min-width:8rem}}
@media print{:root{--page:#fff;--panel:#fff;--text:#000;--muted:#444;--rule:#999;--good:#000;--bad:#000}
@page{size:A4 landscape;margin:12mm}main{max-width:none;padding:0}.scroll{overflow:visible}.detail{display:none}
table{font-size:7.5pt}th,td{padding:1pt 4pt}
thead{display:table-header-group}tr{break-inside:avoid}h2{break-after:avoid}}
"""
_AMOUNT: Final = re.compile(r"(-?[\d,]+\.\d\d)(\d{4})")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d$")
_LONG: Final = frozenset({"reason"})
_IDS: Final = frozenset({"id", "order", "trade"})


def page_of(document: Document) -> str:
    """Return the page."""
    is_good = all(good for good, _ in document.checks)
    checks = "".join(
        f'<li class="{"good" if good else "bad"}"><b>{"✓" if good else "!"}</b>{escape(text)}</li>'
        for good, text in document.checks
    )
    title = _DAY.sub(r"<span>\g<0></span>", escape(document.title))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(document.title)}</title><style>{_STYLE}</style></head><body><main>"
        f'<header><h1>{title}</h1><p class="muted">{escape(document.subtitle)}</p></header>'
        f'<section class="summary{"" if is_good else " bad"}">{_paragraphs(document.lines)}<ul>{checks}</ul></section>'
        f"{''.join(map(_section, document.sections))}</main></body></html>\n"
    )


def _section(section: Section) -> str:
    lines = _paragraphs(section.lines, "muted")
    if section.table is None:
        body = ""
    elif section.table.rows:
        body = _table(section.table, section.heading)
    else:
        body = f"<p>{escape(section.empty)}</p>"
    return f"<section><h2>{escape(section.heading)}</h2>{lines}{body}</section>"


def _table(table: Table, heading: str) -> str:
    head = "".join(f'<th scope="col"{_class(column)}>{escape(column.name)}</th>' for column in table.columns)
    rows = "".join(f"<tr>{_cells(row, table.columns)}</tr>" for row in table.rows)
    total = "" if table.total is None else f'<tr class="total">{_cells(table.total, table.columns)}</tr>'
    # A region that scrolls sideways can be focused, so that the keyboard reaches all of it.
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(heading)}"><table><thead><tr>{head}</tr>'
        f"</thead><tbody>{rows}{total}</tbody></table></div>"
    )


def _cells(row: Iterable[str], columns: tuple[Column, ...]) -> str:
    cells = []
    for value, column in zip(row, columns, strict=True):
        text = _AMOUNT.sub(r"\1<small>\2</small>", escape(value)) if column.is_number else escape(value)
        cells.append(f"<td{_class(column)}>{text}</td>")
    return "".join(cells)


def _class(column: Column) -> str:
    names = [
        *(["n"] if column.is_number else []), *(["detail"] if column.is_detail else []),
        *(["long"] if column.name in _LONG else []), *(["id"] if column.name in _IDS else []),
    ]  # fmt: skip
    return f' class="{" ".join(names)}"' if names else ""


def _paragraphs(lines: Iterable[str], kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return "".join(f"<p{attribute}>{escape(line)}</p>" for line in lines)
