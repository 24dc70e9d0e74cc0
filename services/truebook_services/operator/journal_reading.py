"""Opens the journal's topic for reading, without the service that writes it."""

from __future__ import annotations

from truebook.bus.kafka.reading import read_topic
from truebook.messages.topics import JOURNAL
from truebook.runtime.context import Context
from truebook.runtime.settings import TruebookSettings
from truebook_services.reconciler.journal_topic import TopicJournal
from truebook_services.serving.settings import kafka_connection


async def open_topic(settings: TruebookSettings, context: Context) -> TopicJournal:
    """Open the account's entries on the topic; raises ``BusError`` and ``JournalError``."""
    connection, partitions = kafka_connection(settings), settings.kafka_partitions
    return await TopicJournal.open(context, lambda newest: read_topic(connection, JOURNAL, partitions, newest=newest))
