"""From exceptions to one clear line and a documented exit code.

| code | meaning |
|---|---|
| 0 | true books, also after Ctrl-C |
| 1 | the books differ, or an order's fate is not known |
| 2 | usage or settings |
| 3 | a dependency can't be reached or can't be used (port, folder, Redis, exchange, capture, model) |
| 4 | refused for safety (hosts, keys) |
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from truebook.capture.reader import CaptureError
from truebook.kalshi.hosts import HostRefused
from truebook.kalshi.port import ExchangeError
from truebook.kalshi.signing import KeyRefused
from truebook.ledger.bundled import BundledServerError
from truebook.ledger.port import LedgerError
from truebook.models.errors import ModelRefused
from truebook.runtime.http import PortInUse as HttpPortInUse
from truebook.runtime.settings import SettingsError, SettingsRefused
from truebook.runtime.state_folder import FolderInUse
from truebook.simulation.faults import FaultError
from truebook_services.operator.client import OperatorError
from truebook_services.paper_exchange.auth import KeyFileError
from truebook_services.paper_exchange.server import JournalError, PortInUse


class UsageError(Exception):
    """The command can't be carried out as it was given."""


EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (UsageError, 2),
    (SettingsRefused, 4),
    (SettingsError, 2),
    (ModelRefused, 2),
    (CaptureError, 2),
    (FaultError, 2),
    (KeyFileError, 2),
    (HostRefused, 4),
    (KeyRefused, 4),
    (FolderInUse, 3),
    (PortInUse, 3),
    (HttpPortInUse, 3),
    (JournalError, 3),
    (OperatorError, 3),
    (BundledServerError, 3),
    (LedgerError, 3),
    (ExchangeError, 3),
)

EXPECTED: tuple[type[BaseException], ...] = (BaseExceptionGroup, *(kind for kind, _ in EXIT_CODES))
"""What may be caught: a group may hold a bug, and then goes on as it is."""


def exit_code(error: BaseException) -> int | None:
    """The exit code of an expected error; null for a bug. A group counts as its first expected error."""
    if isinstance(error, BaseExceptionGroup):
        codes = [code for inner in error.exceptions if (code := exit_code(inner)) is not None]
        return codes[0] if len(codes) == len(error.exceptions) and codes else None
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), None)


def one_line(error: BaseException) -> str:
    """What to tell a person: the innermost message."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


@contextmanager
def exit_with_one_line() -> Iterator[None]:
    """Turn expected errors into a line on standard error and an exit code; bugs keep their traceback."""
    try:
        yield
    except EXPECTED as error:
        code = exit_code(error)
        if code is None or "--debug" in sys.argv:
            raise
        print(f"truebook: {one_line(error)}", file=sys.stderr)
        raise SystemExit(code) from error
