"""Each client error becomes one of the port's errors, which define whether to retry."""

from __future__ import annotations

import pytest
from redis import exceptions as client

from truebook.ledger.port import LedgerError, StoreCorrupt, StoreFull, StoreUnavailable
from truebook.ledger.redis.errors import translated, translating


@pytest.mark.parametrize(
    ("raised", "becomes", "retry"),
    [
        (client.ConnectionError("refused"), StoreUnavailable, True),
        (client.TimeoutError("timed out"), StoreUnavailable, True),
        (client.BusyLoadingError("loading"), StoreUnavailable, True),
        (client.ReadOnlyError("replica"), StoreUnavailable, True),
        (client.MasterDownError("link with the primary is down"), StoreUnavailable, True),
        (client.ClusterDownError("the cluster is down"), StoreUnavailable, True),
        (client.NoScriptError("no matching script"), StoreUnavailable, True),
        (client.ResponseError("BUSY running a script"), StoreUnavailable, True),
        (client.ResponseError("MISCONF errors writing to the AOF file"), StoreUnavailable, True),
        (ConnectionResetError(), StoreUnavailable, True),
        (client.OutOfMemoryError("used memory > 'maxmemory'"), StoreFull, True),
        (client.ResponseError("OOM allow-oom flag is not set on the script"), StoreFull, True),
        (client.ResponseError("WRONGTYPE Operation against a key"), StoreCorrupt, False),
        (client.ResponseError("ERR user_script:30: CORRUPT"), StoreCorrupt, False),
        (client.ResponseError("ERR Error compiling script (new function)"), LedgerError, False),
        (client.AuthenticationError("WRONGPASS"), LedgerError, False),
        (client.NoPermissionError("no permissions to run"), LedgerError, False),
        (client.RedisError("something else"), StoreUnavailable, True),
    ],
)
def test_each_error_of_the_client_is_translated(raised: Exception, becomes: type[LedgerError], retry: bool) -> None:
    error = translated(raised)
    assert (type(error), error.retry) == (becomes, retry)


def test_every_client_error_is_translated_with_its_cause() -> None:
    classes = [kind for kind in vars(client).values() if isinstance(kind, type) and issubclass(kind, client.RedisError)]
    assert len(classes) > 20
    for kind in classes:
        cause = kind.__new__(kind)
        with pytest.raises(LedgerError) as caught, translating():
            raise cause
        assert caught.value.__cause__ is cause
