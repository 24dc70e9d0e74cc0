"""Execution as a process: ``python -m truebook_services.execution``. Of several instances one is active.

All instances have the same static member id in the consumer group: the next active one takes the partitions over at
once instead of after the session timeout.
"""

from __future__ import annotations

import uuid
from typing import Final

from truebook.runtime.frames import Service
from truebook.runtime.standby import Standby
from truebook_services.execution.service import build
from truebook_services.execution.settings import ExecutionSettings
from truebook_services.serving.dependencies import Dependencies
from truebook_services.serving.serve import serve
from truebook_services.serving.settings import ServeSettings

NAME: Final = "execution"
LEASE_S: Final = 3.0


class ExecutionProcess(ServeSettings):
    """The common settings and the service's section."""

    execution: ExecutionSettings = ExecutionSettings()


async def root(dependencies: Dependencies[ExecutionProcess]) -> Service:
    """Compose the service; it is built again each time that this process becomes the active one."""
    context, settings = dependencies.context, dependencies.settings.execution
    ledger = await dependencies.durable_ledger()
    await dependencies.reconciled()
    rest, _ = await dependencies.exchange(ledger, signature_life_s=settings.signature_lifetime_s, follow_clock=False)
    lease = dependencies.lease(NAME, uuid.uuid4().hex, LEASE_S)
    return Service(context, [Standby(context, lease, lambda: build(context, settings, rest=rest, ledger=ledger))])


if __name__ == "__main__":
    serve(NAME, ExecutionProcess, root, instance=NAME)
