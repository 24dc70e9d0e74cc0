"""Find out why a cluster refuses a connection. The client tries one server after the other, logs the reasons and only
reports that it can't connect: a wrong password would look like a broker that is still starting.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaError

from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.errors import translated, translating
from truebook.bus.port import BusError, BusUnavailable

CLOSE_WITHIN_S: Final = 3.0


@asynccontextmanager
async def entering(connection: KafkaConnection) -> AsyncIterator[None]:
    """Raise the port's errors for what a client raises at its start; ``BusRefused`` if the cluster refuses us."""
    try:
        with translating():
            yield
    except BusUnavailable as error:
        refusal = await _refusal(connection)
        if refusal is None:
            raise
        raise refusal from error


async def stop_consumer(client: Any) -> None:
    """Stop a consumer of aiokafka, within a time: it waits for a broker that does not respond.

    It awaits tasks that it has cancelled, and so raises ``CancelledError`` while a broker can't be reached. That must
    not count as a cancellation of the caller, whose task would end without an error.
    """
    stopping = asyncio.ensure_future(client.stop())
    await asyncio.wait((stopping,), timeout=CLOSE_WITHIN_S)
    if not stopping.done():
        stopping.cancel()
        return
    error = None if stopping.cancelled() else stopping.exception()
    if error is not None and not isinstance(error, KafkaError | OSError | TimeoutError):
        raise error


async def _refusal(connection: KafkaConnection) -> BusError | None:
    """Connect once again directly; return the refusal, or None."""
    if connection.user is None and not connection.tls:
        return None
    options = connection.options()
    for host, port, _ in collect_hosts(options.pop("bootstrap_servers")):
        try:
            (await create_conn(host, port, **options)).close()
        except (KafkaError, OSError, TimeoutError) as error:
            refusal = translated(error)
            if not refusal.retry:
                return refusal
    return None
