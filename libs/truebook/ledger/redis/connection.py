"""The connections to the ledger's server, bounded in number and time.

A connection ends when its server reports that it is not a primary that can be used: the next one resolves the address
again and finds the server that has taken over.
"""

from __future__ import annotations

from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import BusyLoadingError, ClusterDownError, MasterDownError, ReadOnlyError

MAX_CONNECTIONS: Final = 64
TIMEOUT_S: Final = 5.0
"""For a free connection, for connecting, and for a response: includes fsync on a slow disk."""
_RETRIES: Final = 2
_RETRY_AFTER_S: Final = 0.05
"""Every verb is idempotent by its id, so that one whose response was lost may be called again."""

NOT_PRIMARY: Final = (ReadOnlyError, BusyLoadingError, MasterDownError, ClusterDownError)
"""Errors of a server that is a replica now, still loads its data, or has lost its primary or its cluster."""


class _ToPrimary(AbstractConnection):
    """Ends after such an error; the client connects again before the next call."""

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*arguments, **options)
        except NOT_PRIMARY:
            await self.disconnect(nowait=True)
            raise


class _TcpToPrimary(_ToPrimary, Connection):
    """The same over TCP."""


class _SslToPrimary(_ToPrimary, SSLConnection):
    """The same over TLS."""


class _UnixToPrimary(_ToPrimary, UnixDomainSocketConnection):
    """The same over a Unix socket."""


_BY_CLASS: Final = {
    Connection: _TcpToPrimary, SSLConnection: _SslToPrimary, UnixDomainSocketConnection: _UnixToPrimary,
}  # fmt: skip


def connection_pool(url: str, password: str | None) -> BlockingConnectionPool:
    """Return a pool for ``redis://``, ``rediss://`` or ``unix://``; connects when first used."""
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
    pool.connection_class = _BY_CLASS[pool.connection_class]
    return pool


def one_connection(pool: ConnectionPool) -> BlockingConnectionPool:
    """Return a pool of one connection to the same server that never retries a call: for calls whose order matters."""
    options = {**pool.connection_kwargs, "retry": Retry(ConstantBackoff(0), 0)}
    return BlockingConnectionPool(
        connection_class=pool.connection_class, max_connections=1, timeout=TIMEOUT_S, **options
    )
