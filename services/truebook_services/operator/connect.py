"""Chooses the backends: the process that runs on the state folder, else Kafka's services, else what a run has left.

Each is imported where it is used: they need clients of HTTP, Redis, Kafka and the exchange, which take longer to import
than a running process takes to respond.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from truebook.runtime.settings import TruebookSettings
from truebook_services.operator.access import read_access
from truebook_services.operator.live import LiveSource
from truebook_services.operator.nothing_left import NothingLeft, nothing_left
from truebook_services.operator.port import Operator


@asynccontextmanager
async def open_operator(settings: TruebookSettings) -> AsyncIterator[Operator]:
    """Connect to what runs with these settings while entered; raises what can't be reached or is refused."""
    if read_access(settings.state_path) is not None:
        from truebook_services.operator.client import HttpOperator

        async with HttpOperator.of_folder(settings.state_path) as running:
            if running is not None:
                yield running
                return
    if settings.kafka_servers is None:
        yield NothingLeft(settings, lambda: _stopped(settings)) if nothing_left(settings) else _stopped(settings)
        return
    from truebook_services.operator.cluster import ClusterOperator

    async with ClusterOperator.connect(settings) as cluster:
        yield cluster


def _stopped(settings: TruebookSettings) -> Operator:
    from truebook_services.operator.stopped import StoppedOperator

    return StoppedOperator(settings)


@asynccontextmanager
async def open_live(settings: TruebookSettings) -> AsyncIterator[LiveSource]:
    """Connect to the live views of what runs with these settings while entered.

    Raises what can't be reached or is refused. A view that ends (a run has ended, or has started) raises ``NotRunning``
    at its next question: connect again.
    """
    from truebook_services.operator.client import HttpOperator

    async with HttpOperator.of_folder(settings.state_path) as running:
        access = None if running is None else read_access(settings.state_path)
    if access is not None:
        from truebook_services.operator.live_client import HttpLive

        live = HttpLive(access)
        try:
            yield live
        finally:
            await live.aclose()
    elif settings.kafka_servers is None:
        from truebook_services.operator.live_stopped import StoppedLive

        yield StoppedLive(settings.state_path, settings.account, settings.models_path)
    else:
        from truebook_services.operator.live_kafka import open_kafka_live

        async with open_kafka_live(settings) as following:
            yield following
