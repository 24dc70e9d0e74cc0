"""Reconciler as a process of its own: ``python -m truebook_services.reconciler``."""

from __future__ import annotations

from typing import Final

from truebook.bus.kafka_reading import read_topic
from truebook.messages.topics import JOURNAL
from truebook.runtime.frames import Service
from truebook_services.reconciler.journal_topic import TopicJournal
from truebook_services.reconciler.recovery import recover
from truebook_services.reconciler.service import build
from truebook_services.reconciler.settings import ReconcilerSettings
from truebook_services.reconciler.startup import OWNER, begin
from truebook_services.serving.serve import serve
from truebook_services.serving.settings import ServeSettings, kafka_connection
from truebook_services.serving.surroundings import RECONCILED, Surroundings

VOUCHED_S: Final = 5.0


class ReconcilerProcess(ServeSettings):
    """The common settings and the service's section."""

    reconciler: ReconcilerSettings = ReconcilerSettings()


async def root(around: Surroundings[ReconcilerProcess]) -> Service:
    """Put the service together."""
    ledger = await around.ledger()
    lease = around.lease(RECONCILED, OWNER, VOUCHED_S)
    await lease.release()  # what the one before has vouched for is compared anew
    connection, partitions = kafka_connection(around.settings), around.settings.kafka_partitions
    journal = await TopicJournal.open(
        around.context, lambda newest: read_topic(connection, JOURNAL, partitions, newest=newest)
    )
    await recover(ledger, journal, around.context.log)
    await begin(ledger)
    rest, _ = await around.exchange()
    return build(around.context, around.settings.reconciler, rest=rest, ledger=ledger, journal=journal, lease=lease)


if __name__ == "__main__":
    serve("reconciler", ReconcilerProcess, root)
