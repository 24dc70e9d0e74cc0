"""Run the reconciler as its own process: ``python -m truebook_services.reconciler``."""

from __future__ import annotations

from typing import Final

from truebook.bus.kafka.reading import read_topic
from truebook.ledger.trading_holds import RECONCILIATION
from truebook.messages.topics import JOURNAL
from truebook.models.pointer import PointerFile
from truebook.runtime.frames import Service
from truebook_services.reconciler.journal_topic import TopicJournal
from truebook_services.reconciler.limits import apply_limits
from truebook_services.reconciler.recovery import recover
from truebook_services.reconciler.service import build
from truebook_services.reconciler.settings import LimitsSettings, ReconcilerSettings
from truebook_services.reconciler.startup import hold_until_reconciled
from truebook_services.serving.dependencies import RECONCILED, Dependencies
from truebook_services.serving.serve import serve
from truebook_services.serving.settings import ModelSection, ServeSettings, kafka_connection

LEASE_S: Final = 5.0


class ReconcilerProcess(ServeSettings):
    """The common settings and the service's sections."""

    reconciler: ReconcilerSettings = ReconcilerSettings()
    limits: LimitsSettings = LimitsSettings()
    policy: ModelSection = ModelSection()

    def models(self) -> PointerFile | None:
        """Return where models are rolled back; None if policy's model is set, whichever is active there."""
        return None if self.policy.model else PointerFile(self.models_path)


async def root(dependencies: Dependencies[ReconcilerProcess]) -> Service:
    """Build the service."""
    ledger = await dependencies.ledger()
    lease = dependencies.lease(RECONCILED, RECONCILIATION.owner, LEASE_S)
    await lease.release()  # readiness of an earlier instance does not count
    connection, partitions = kafka_connection(dependencies.settings), dependencies.settings.kafka_partitions
    journal = await TopicJournal.open(
        dependencies.context, lambda newest: read_topic(connection, JOURNAL, partitions, newest=newest)
    )
    await recover(ledger, journal, dependencies.context.log)
    await hold_until_reconciled(ledger)
    await apply_limits(ledger, dependencies.settings.limits.given(), dependencies.context.log)
    rest, _ = await dependencies.exchange(ledger)
    return build(
        dependencies.context, dependencies.settings.reconciler, rest=rest, ledger=ledger, journal=journal, lease=lease,
        models=dependencies.settings.models(),
    )  # fmt: skip


if __name__ == "__main__":
    serve("reconciler", ReconcilerProcess, root)
