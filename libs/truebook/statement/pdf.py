"""The PDF of a statement: A4, with the fonts that every reader has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from truebook.statement.document import Document, Section, Table

if TYPE_CHECKING:
    from fpdf import FPDF

_FONT: Final = "Helvetica"
_SIZE: Final = 8
_LINE_MM: Final = 4.2
_INSET_MM: Final = 1.0
_PADDING_MM: Final = 3.5
_MAX_TEXT_MM: Final = 90.0


def pdf_of(document: Document) -> bytes:
    """Return the file; characters that the fonts lack are shown as question marks."""
    from fpdf import FPDF  # slow to import

    class Pages(FPDF):
        def footer(self) -> None:
            self.set_y(-10)
            self.set_font(_FONT, size=7)
            self.cell(0, 5, f"{_text(document.title)} - page {self.page_no()} of {{nb}}", align="R")

    pdf = Pages(format="A4")
    pdf.set_title(_text(document.title))
    pdf.set_auto_page_break(True, margin=14)
    pdf.set_margin(12)
    pdf.c_margin = _INSET_MM
    pdf.set_draw_color(190)
    pdf.set_line_width(0.1)
    pdf.add_page()
    pdf.set_font(_FONT, "B", 15)
    _paragraph(pdf, document.title, 8)
    pdf.set_font(_FONT, size=_SIZE)
    _paragraph(pdf, document.subtitle)
    pdf.ln(1)
    for line in document.lines:
        _paragraph(pdf, line)
    for is_good, text in document.checks:
        pdf.set_font(_FONT, "" if is_good else "B", _SIZE)
        _paragraph(pdf, f"{'[ok]' if is_good else '[!]'} {text}")
    for section in document.sections:
        _section(pdf, section)
    return bytes(pdf.output())


def _section(pdf: FPDF, section: Section) -> None:
    pdf.ln(3)
    if pdf.will_page_break(20):
        pdf.add_page()
    pdf.set_font(_FONT, "B", 11)
    _paragraph(pdf, section.heading, 6)
    pdf.set_font(_FONT, size=_SIZE)
    for line in section.lines:
        _paragraph(pdf, line)
    if section.table is not None and section.table.rows:
        _table(pdf, section.table)
    elif section.empty:
        _paragraph(pdf, section.empty)


def _table(pdf: FPDF, table: Table) -> None:
    """Print the columns that are no details, each as wide as its widest text, at most the page."""
    from fpdf.fonts import FontFace  # slow to import

    table = table.without_details()
    rows = [*table.rows, *([] if table.total is None else [table.total])]
    texts = [list(map(_text, row)) for row in rows]
    names = [_text(column.name) for column in table.columns]
    pdf.set_font(_FONT, "B", _SIZE)  # the wider one
    widths = [
        min(_MAX_TEXT_MM, max(pdf.get_string_width(text) for text in column) + _PADDING_MM)
        for column in zip(names, *texts, strict=True)
    ]
    pdf.set_font(_FONT, size=_SIZE)
    total_mm = min(pdf.epw, sum(widths))
    with pdf.table(
        width=total_mm, col_widths=tuple(widths), line_height=_LINE_MM, align="LEFT",
        text_align=tuple("RIGHT" if column.is_number else "LEFT" for column in table.columns),
        borders_layout="HORIZONTAL_LINES", headings_style=FontFace(emphasis="BOLD"), padding=(0, _INSET_MM),
    ) as printed:  # fmt: skip
        printed.row(names)
        for number, row in enumerate(texts):
            is_total = table.total is not None and number == len(texts) - 1
            printed.row(row, style=FontFace(emphasis="BOLD") if is_total else None)


def _paragraph(pdf: FPDF, text: str, line_mm: float = _LINE_MM) -> None:
    pdf.multi_cell(0, line_mm, _text(text), align="L", new_x="LMARGIN", new_y="NEXT")


def _text(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")
