"""``truebook statement``: one day of the account as a table, a page, a PDF or JSON."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from truebook.files import write_atomically
from truebook.statement.document import Document, Section, document_of
from truebook.statement.html import page_of
from truebook.statement.records import Statement
from truebook_services.cli.errors import UsageError
from truebook_services.cli.operator import request
from truebook_services.cli.table_console import table_console
from truebook_services.operator.requests import ShowStatement

DIFFERS = 1
WIDTH = 160
ENDINGS: Final = (".pdf", ".html", ".json", ".txt")


def statement(
    day: Annotated[str, typer.Option(metavar="DAY", help="YYYY-MM-DD, today or yesterday.")] = "today",
    zone: Annotated[
        str | None, typer.Option(help="Time zone of the day; by default that of the daily loss limit.")
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Write a PDF.")] = False,
    html: Annotated[bool, typer.Option("--html", help="Write a page.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object with integers.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to write it, by default standard output; .pdf, .html, .json or .txt selects the form.",
        ),
    ] = None,
) -> None:
    """Show one day of the account from its journal; exit code 1: conservation or the journal's check failed."""
    if pdf + html + json_ > 1:
        raise UsageError("choose one of --pdf, --html and --json")
    if out is not None and not (pdf or html or json_):
        ending = out.suffix.lower()
        if ending not in ("", *ENDINGS):
            raise UsageError(f"{out}: its ending selects no form; use {', '.join(ENDINGS)}, or --pdf, --html or --json")
        pdf, html, json_ = (ending == each for each in (".pdf", ".html", ".json"))
    result = request(lambda operator: operator.perform(ShowStatement(day=day, zone=zone)))
    if pdf or html or json_ or out is not None:
        _write(_content(result, pdf=pdf, html=html, json_=json_), out, is_binary=pdf)
    else:
        print_document(document_of(result), table_console(WIDTH))
    raise typer.Exit(0 if result.conservation.holds and result.journal.is_verified else DIFFERS)


def _content(result: Statement, *, pdf: bool, html: bool, json_: bool) -> bytes:
    if json_:
        return msgspec.json.encode(result) + b"\n"
    document = document_of(result)
    if html:
        return page_of(document).encode()
    if pdf:
        from truebook.statement.pdf import pdf_of

        return pdf_of(document)
    text = io.StringIO()
    print_document(document, Console(file=text, width=WIDTH))
    return text.getvalue().encode()


def _write(content: bytes, out: Path | None, *, is_binary: bool) -> None:
    if out is not None:
        try:
            write_atomically(out, content)
        except OSError as error:
            raise UsageError(f"{out} can't be written: {error.strerror}") from error
        print(out)
        return
    if is_binary and sys.stdout.isatty():
        raise UsageError("a PDF is not for a terminal: give --out FILE")
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def print_document(document: Document, console: Console) -> None:
    """Print a statement."""
    console.print(f"[bold]{escape(document.title)}[/bold]")
    console.print(escape(document.subtitle), style="dim")
    for line in document.lines:
        console.print(escape(line))
    for is_good, text in document.checks:
        console.print(f"{'✓' if is_good else '!'} {escape(text)}", style="green" if is_good else "bold yellow")
    for section in document.sections:
        _print_section(section, console)


def _print_section(section: Section, console: Console) -> None:
    console.print(f"\n[bold]{escape(section.heading)}[/bold]")
    for line in section.lines:
        console.print(escape(line), style="dim", soft_wrap=True)
    if section.table is None:
        return
    if not section.table.rows:
        console.print(escape(section.empty))
        return
    shown = section.table.without_details()
    table = RichTable(box=None, pad_edge=False, show_edge=False)
    for column in shown.columns:
        table.add_column(escape(column.name), justify="right" if column.is_number else "left")
    for row in shown.rows:
        table.add_row(*map(escape, row))
    if shown.total is not None:
        table.add_row(*map(escape, shown.total), style="bold")
    console.print(table)
