"""The table, the page and the PDF of a statement show the same text; nothing of it becomes markup."""

from __future__ import annotations

import io
import re
from html import unescape

import msgspec
import pytest
from rich.console import Console

from support.statements import NEXT, NOON, two_days
from truebook.statement.document import Document, document_of, money, size
from truebook.statement.html import page_of
from truebook.statement.pdf import pdf_of
from truebook.statement.records import FlowLine, Statement
from truebook.statement.values import valued
from truebook_services.cli.statement import print_document

HOSTILE = "<script>alert('1')</script> [bold]&amp; \N{SNOWMAN}"


def a_statement() -> Statement:
    one = two_days().statement()
    flow = FlowLine(seq=9, at_us=NOON, kind="residue", amount_micros=-1, reason=HOSTILE, flow_id=HOSTILE)
    return msgspec.structs.replace(one, flows=(*one.flows, flow))


def cells(document: Document) -> set[str]:
    tables = [section.table for section in document.sections if section.table is not None]
    return {cell for table in tables for row in (*table.rows, *([table.total] if table.total else [])) for cell in row}


def test_the_page_has_every_cell_and_no_script() -> None:
    document = document_of(a_statement())
    page = page_of(document)
    text = unescape(re.sub("<[^>]+>", "", page.replace("</small>", "")))
    assert all(cell in text for cell in cells(document) | set(document.lines))
    assert HOSTILE in text
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page


def test_the_terminal_has_every_cell_that_is_no_detail() -> None:
    document = document_of(a_statement())
    out = io.StringIO()
    print_document(document, Console(file=out, width=300))
    shown = out.getvalue()
    for section in document.sections:
        for row in section.table.rows if section.table else ():
            assert section.table is not None
            columns = zip(row, section.table.columns, strict=True)
            assert all(cell in shown for cell, column in columns if not column.is_detail)
    assert HOSTILE in shown


def test_the_pdf_is_one_of_several_pages() -> None:
    one = a_statement()
    long = msgspec.structs.replace(one, fills=one.fills * 40)
    content = pdf_of(document_of(long))
    assert content.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", content)) > 2


def test_a_violated_check_is_shown_first() -> None:
    one = two_days().statement()
    wrong = msgspec.structs.replace(one, conservation=msgspec.structs.replace(one.conservation, error_micros=7))
    document = document_of(wrong)
    assert document.checks[0] == (False, "Conservation is violated: by 0.000007, {}.")
    assert 'class="summary bad"' in page_of(document)


def test_positions_of_an_unfinished_day_are_valued_by_books() -> None:
    one = two_days().statement()
    books = {"M": (((6000, 10_000),), ((6100, 10_000),))}
    (position,) = valued(one, books, NOON).positions
    assert position.value_micros == position.position_centi * 6000
    closing = valued(one, books, NOON).closing
    assert closing.equity_micros == one.closing.owned_micros + position.value_micros
    assert valued(one, {}, NOON).closing == valued(one, None, NOON).closing == one.closing


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0.000000"), (-1, "-0.000001"), (1_234_567_890_123, "1,234,567.890123"), (None, "not known")],
)
def test_amounts_are_exact(micros: int | None, text: str) -> None:
    assert money(micros) == text


def test_sizes_have_two_decimals() -> None:
    assert (size(-5), size(123_456)) == ("-0.05", "1,234.56")


def test_a_time_of_another_day_has_its_date() -> None:
    document = document_of(two_days().statement(NEXT))
    assert "2026-03-12 00:00:00.000" in document.subtitle
