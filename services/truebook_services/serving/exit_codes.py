"""From exceptions to one clear line and a documented exit code: the same for the command and for each service.

| code | meaning |
|---|---|
| 0 | true books, also after Ctrl-C |
| 1 | the books differ, or an order's fate is not known |
| 2 | usage or settings |
| 3 | a dependency can't be reached or can't be used (port, folder, Kafka, Redis, exchange, capture, model) |
| 4 | refused for safety (hosts, keys, a ledger server that may forget) |
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from truebook.bus.port import BusError
from truebook.kalshi.hosts import HostRefused
from truebook.kalshi.port import ExchangeError
from truebook.kalshi.signing import KeyRefused
from truebook.ledger.port import LedgerError
from truebook.models.errors import ModelRefused
from truebook.runtime.http import PortInUse
from truebook.runtime.settings import SettingsError, SettingsRefused
from truebook.runtime.state_folder import FolderInUse
from truebook_services.serving.durability import LedgerNotDurable

Codes = Sequence[tuple[type[Exception], int]]

COMMON: Final[Codes] = (
    (SettingsRefused, 4),
    (SettingsError, 2),
    (ModelRefused, 2),
    (HostRefused, 4),
    (KeyRefused, 4),
    (FolderInUse, 3),
    (PortInUse, 3),
    (LedgerNotDurable, 4),
    (LedgerError, 3),
    (ExchangeError, 3),
    (BusError, 3),
)


def exit_code(error: BaseException, codes: Codes = COMMON) -> int | None:
    """The exit code of an expected error; null for a bug. A group counts as its first expected error."""
    if isinstance(error, BaseExceptionGroup):
        found = [code for inner in error.exceptions if (code := exit_code(inner, codes)) is not None]
        return found[0] if len(found) == len(error.exceptions) and found else None
    return next((code for kind, code in codes if isinstance(error, kind)), None)


def one_line(error: BaseException) -> str:
    """What to tell a person: the innermost message."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


@contextmanager
def exit_with_one_line(codes: Codes = COMMON) -> Iterator[None]:
    """Turn expected errors into a line on standard error and an exit code; bugs keep their traceback."""
    expected: tuple[type[BaseException], ...] = (BaseExceptionGroup, *(kind for kind, _ in codes))
    try:
        yield
    except expected as error:
        code = exit_code(error, codes)
        if code is None or "--debug" in sys.argv:
            raise
        sys.stderr.write(f"truebook: {one_line(error)}\n")
        raise SystemExit(code) from error
