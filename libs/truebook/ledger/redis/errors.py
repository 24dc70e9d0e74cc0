"""Translates the Redis client's exceptions into the port's errors: at this boundary, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis import exceptions

from truebook.ledger.port import LedgerError, StoreCorrupt, StoreFull, StoreUnavailable

_WAIT_AND_REPEAT: Final = (
    exceptions.ConnectionError, exceptions.TimeoutError, exceptions.BusyLoadingError, exceptions.TryAgainError,
    exceptions.ReadOnlyError, exceptions.ClusterDownError, exceptions.MasterDownError,
)  # fmt: skip
_REFUSED: Final = (
    exceptions.AuthenticationError, exceptions.AuthenticationWrongNumberOfArgsError, exceptions.NoPermissionError,
)  # fmt: skip
_TRANSIENT_CODES: Final = ("BUSY", "MISCONF", "NOREPLICAS", "UNBLOCKED")


def translated(error: Exception) -> LedgerError:
    """Return the port's error for an exception of the client (or of the sockets below it)."""
    if isinstance(error, exceptions.ConnectionError) and isinstance(error.__cause__, exceptions.RedisError):
        return translated(error.__cause__)  # while connecting, the client wraps the server's error
    if isinstance(error, _REFUSED):
        return LedgerError(f"the ledger's server refuses this user: {error}")
    if isinstance(error, exceptions.OutOfMemoryError):
        return StoreFull(f"the ledger's server is out of memory: {error}")
    if isinstance(error, exceptions.NoScriptError):
        return StoreUnavailable("the ledger's server has not loaded the scripts yet")
    if isinstance(error, (*_WAIT_AND_REPEAT, OSError)):
        return StoreUnavailable(f"the ledger's server can't be reached: {error}")
    if isinstance(error, exceptions.ResponseError):
        code = str(error).partition(" ")[0]
        if code in _TRANSIENT_CODES:
            return StoreUnavailable(f"the ledger's server can't respond now: {error}")
        if code == "RESTORING":
            return StoreUnavailable("the ledger is being restored from its journal")
        if code == "OOM":
            return StoreFull(f"the ledger's server is out of memory: {error}")
        if "compiling script" in str(error):
            return LedgerError(f"the ledger's server is too old, Redis 7 or Valkey 7.2 is required: {error}")
        return StoreCorrupt(f"the ledger's scripts and its stored data don't match: {error}")
    return StoreUnavailable(f"the ledger's client failed: {error}")


@contextmanager
def translating() -> Iterator[None]:
    """Raise the port's errors for the client's exceptions."""
    try:
        yield
    except (exceptions.RedisError, OSError) as error:
        raise translated(error) from error
