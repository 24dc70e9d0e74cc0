"""The command's exit codes: those of every process (``serving.exit_codes``), and its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from truebook.backtest.errors import DatasetError, MissingLibrary, NotComparable, SplitError, UnreadableResult
from truebook.capture.reader import CaptureError
from truebook.ledger.redis.bundled import BundledServerError
from truebook.simulation.faults import FaultError
from truebook_services.cli.errors import NothingToRecord, UsageError
from truebook_services.embedded.errors import StartInterrupted
from truebook_services.operator.port import NothingRecorded, OperatorError, RequestRefused
from truebook_services.paper_exchange.auth import KeyFileError
from truebook_services.paper_exchange.engine.journal_errors import ExchangeJournalError
from truebook_services.serving import exit_codes

EXIT_CODES: Final[exit_codes.Codes] = (
    *exit_codes.COMMON,
    (UsageError, 2),
    (StartInterrupted, 130),
    (NothingToRecord, 2),
    (CaptureError, 2),
    (FaultError, 2),
    (KeyFileError, 2),
    (ExchangeJournalError, 3),
    (NothingRecorded, 2),
    (RequestRefused, 2),
    (OperatorError, 3),
    (UnreadableResult, 1),
    (NotComparable, 1),
    (MissingLibrary, 3),
    (SplitError, 2),
    (DatasetError, 2),
    (BundledServerError, 3),
)


@contextmanager
def exit_with_one_line() -> Iterator[None]:
    """Turn expected errors into a line on standard error and an exit code; bugs keep their traceback."""
    with exit_codes.exit_with_one_line(EXIT_CODES):
        yield
