"""Chooses the operator's backend: the process that runs on the state folder, else Kafka's services, else the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from truebook.runtime.settings import TruebookSettings
from truebook_services.operator.client import HttpOperator
from truebook_services.operator.cluster import ClusterOperator
from truebook_services.operator.port import Operator
from truebook_services.operator.stopped import StoppedOperator


@asynccontextmanager
async def open_operator(settings: TruebookSettings) -> AsyncIterator[Operator]:
    """Connect to what runs with these settings while entered; raises what can't be reached or is refused."""
    async with HttpOperator.of_folder(settings.state_path) as running:
        if running is not None:
            yield running
            return
    if settings.kafka_servers is None:
        yield StoppedOperator(settings)
        return
    async with ClusterOperator.connect(settings) as cluster:
        yield cluster
