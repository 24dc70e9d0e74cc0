"""Map expected errors to one line on standard error and an exit code, alike for the command and each service.

| code | meaning |
|---|---|
| 0 | ledger and exchange agree, also after Ctrl-C |
| 1 | ledger and exchange differ, or an order's outcome is unknown |
| 2 | usage or settings; an invalid model, recording or fault |
| 3 | a dependency can't be reached or used (port, folder, Kafka, Redis, exchange) |
| 4 | refused for safety (hosts, keys, a ledger server that may lose writes, another exchange) |
| 5 | nothing could be traded: every market was excluded for the whole run |
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from truebook.bus.port import BusError
from truebook.features.layout import UnknownLayout
from truebook.features.plugins import BadPlugin
from truebook.files import is_full_disk
from truebook.kalshi.hosts import HostRefused, KeyRefused
from truebook.kalshi.port import ExchangeError
from truebook.ledger.port import LedgerError, WrongExchange
from truebook.ledger.redis.durability import LedgerNotDurable
from truebook.models.errors import HistoryRefused, ModelRefused, NotRecorded, RegistryReadOnly
from truebook.runtime.http import PortInUse
from truebook.runtime.settings import SettingsError, SettingsRefused
from truebook.runtime.state_folder import FolderInUse

Codes = Sequence[tuple[type[Exception], int]]
NOTHING_TRADABLE: Final = 5

COMMON: Final[Codes] = (
    (SettingsRefused, 4),
    (SettingsError, 2),
    (ModelRefused, 2),
    (HistoryRefused, 2),
    (UnknownLayout, 2),
    (BadPlugin, 2),
    (HostRefused, 4),
    (KeyRefused, 4),
    (RegistryReadOnly, 3),
    (NotRecorded, 3),
    (FolderInUse, 3),
    (PortInUse, 3),
    (LedgerNotDurable, 4),
    (WrongExchange, 4),
    (LedgerError, 3),
    (ExchangeError, 3),
    (BusError, 3),
)


def exit_code(error: BaseException, codes: Codes = COMMON) -> int | None:
    """Return the exit code of an expected error, None for a bug. Of a group of expected errors, the first counts."""
    if _is_of_file(error) or is_full_disk(error):
        return 3
    if isinstance(error, BaseExceptionGroup):
        found = [code for inner in error.exceptions if (code := exit_code(inner, codes)) is not None]
        return found[0] if len(found) == len(error.exceptions) and found else None
    return next((code for kind, code in codes if isinstance(error, kind)), None)


def one_line(error: BaseException) -> str:
    """Return the innermost message."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if is_full_disk(error):
        return f"{error}; free disk space, and start again"
    if isinstance(error, OSError) and _is_of_file(error):
        return f"{error.filename}: {error.strerror}; correct the path or its permissions"
    return str(error) or type(error).__name__


def _is_of_file(error: BaseException) -> bool:
    """Whether a file or folder could not be used; errors of sockets name no file."""
    return isinstance(error, OSError) and error.filename is not None


@contextmanager
def exit_with_one_line(codes: Codes = COMMON) -> Iterator[None]:
    """Exit with one line and a code on expected errors; bugs keep their traceback."""
    expected: tuple[type[BaseException], ...] = (BaseExceptionGroup, OSError, *(kind for kind, _ in codes))
    try:
        yield
    except expected as error:
        code = exit_code(error, codes)
        if code is None or "--debug" in sys.argv:
            raise
        sys.stderr.write(f"truebook: {one_line(error)}\n")
        raise SystemExit(code) from error
