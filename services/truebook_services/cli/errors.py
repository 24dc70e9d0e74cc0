"""The command's exit codes: those of every process (``serving.exit_codes``), and those of what only it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from truebook.capture.reader import CaptureError
from truebook.ledger.bundled import BundledServerError
from truebook.simulation.faults import FaultError
from truebook_services.operator.client import OperatorError
from truebook_services.paper_exchange.auth import KeyFileError
from truebook_services.paper_exchange.server import JournalError, PortInUse
from truebook_services.serving import exit_codes


class UsageError(Exception):
    """The command can't be carried out as it was given."""


EXIT_CODES: Final[exit_codes.Codes] = (
    *exit_codes.COMMON,
    (UsageError, 2),
    (CaptureError, 2),
    (FaultError, 2),
    (KeyFileError, 2),
    (PortInUse, 3),
    (JournalError, 3),
    (OperatorError, 3),
    (BundledServerError, 3),
)


@contextmanager
def exit_with_one_line() -> Iterator[None]:
    """Turn expected errors into a line on standard error and an exit code; bugs keep their traceback."""
    with exit_codes.exit_with_one_line(EXIT_CODES):
        yield
