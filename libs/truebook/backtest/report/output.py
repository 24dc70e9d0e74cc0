"""Writes the report of a backtest into its folder: ``report.html`` and ``report.json``, each complete or absent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from truebook.backtest.analysis.comparison import Named
from truebook.backtest.report.document import build_report
from truebook.backtest.report.page import page_of
from truebook.backtest.result import BacktestResult
from truebook.files import write_atomically

REPORT_HTML: Final = "report.html"


def numbers_path(page: Path) -> Path:
    """Return where the numbers of a page are written: beside it, with the same name."""
    return page.with_suffix(".json")


def write_report(page: Path, result: BacktestResult, variants: Sequence[Named] = ()) -> Path:
    """Write the HTML page and its numbers; returns the latter's path.

    Raises ``NotComparable`` for a variant of other data, ``MissingLibrary`` without plotly, and OSError.
    """
    report = build_report(result, variants)
    html = page_of(report, result)
    page.parent.mkdir(parents=True, exist_ok=True)
    numbers = numbers_path(page)
    write_atomically(numbers, msgspec.json.format(msgspec.json.encode(report), indent=1))
    write_atomically(page, html.encode())
    return numbers
