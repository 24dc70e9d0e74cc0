"""Why a cluster does not let us in. The client tries one server after the other, writes the reasons into its log, and
says no more than that it can't connect: a wrong password would look like a broker that is still starting.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaError

from truebook.bus.kafka_connection import KafkaConnection
from truebook.bus.kafka_errors import translated, translating
from truebook.bus.port import BusError, BusUnavailable


@asynccontextmanager
async def entering(connection: KafkaConnection) -> AsyncIterator[None]:
    """Raise the port's errors for what a client raises while it starts; ``BusRefused`` where the cluster refuses us."""
    try:
        with translating():
            yield
    except BusUnavailable as error:
        refusal = await _refusal(connection)
        if refusal is None:
            raise
        raise refusal from error


async def _refusal(connection: KafkaConnection) -> BusError | None:
    """Knock once more ourselves; null where there is nothing to refuse, or nobody does."""
    if connection.user is None and not connection.tls:
        return None
    options = connection.options()
    for host, port, _ in collect_hosts(options.pop("bootstrap_servers")):
        try:
            (await create_conn(host, port, **options)).close()
        except (KafkaError, OSError, TimeoutError) as error:
            told = translated(error)
            if not told.retry:
                return told
    return None
