"""The connections to the ledger's server: bounded in number and time, quick at packing scripts' calls."""

from __future__ import annotations

from typing import Any, Final

import hiredis
from redis.asyncio import BlockingConnectionPool, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

MAX_CONNECTIONS: Final = 64
TIMEOUT_S: Final = 5.0
"""For a free connection, for connecting, and for an answer: fsync on a slow disk included."""
_RETRIES: Final = 2
_RETRY_AFTER_S: Final = 0.05
"""Every verb is idempotent by its id, so that one whose answer was lost may simply be called again."""


class _PacksScriptsInC:
    """Has hiredis pack calls of scripts: their forty arguments cost more in Python than the way to the server."""

    def pack_command(self, *args: Any) -> list[bytes]:
        if args[0] == "EVALSHA":
            return [hiredis.pack_command(args)]
        packed: list[bytes] = super().pack_command(*args)  # type: ignore[misc]
        return packed


def connection_pool(url: str, password: str | None) -> BlockingConnectionPool:
    """Make a pool for ``redis://``, ``rediss://`` or ``unix://``; connects when first used."""
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=TIMEOUT_S,
        password=password,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(ConstantBackoff(_RETRY_AFTER_S), _RETRIES),
        protocol=2,
    )
    pool.connection_class = type("LedgerConnection", (_PacksScriptsInC, pool.connection_class), {})
    return pool


def one_connection(pool: ConnectionPool) -> BlockingConnectionPool:
    """Make a pool of one connection to the same server that never repeats a call: for calls that count up."""
    options = {**pool.connection_kwargs, "retry": Retry(ConstantBackoff(0), 0)}
    return BlockingConnectionPool(
        connection_class=pool.connection_class, max_connections=1, timeout=TIMEOUT_S, **options
    )
