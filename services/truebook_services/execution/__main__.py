"""Execution as a process of its own: ``python -m truebook_services.execution``. Of several, one is active.

All of them have one static name in Kafka's group: the one that becomes active takes the place of the one before it
at once, instead of after that one's session.
"""

from __future__ import annotations

import uuid
from typing import Final

from truebook.runtime.frames import Service
from truebook.runtime.standby import Standby
from truebook_services.execution.service import build
from truebook_services.execution.settings import ExecutionSettings
from truebook_services.serving.serve import serve
from truebook_services.serving.settings import ServeSettings
from truebook_services.serving.surroundings import Surroundings

NAME: Final = "execution"
LEASE_S: Final = 3.0


class ExecutionProcess(ServeSettings):
    """The common settings and the service's section."""

    execution: ExecutionSettings = ExecutionSettings()


async def root(around: Surroundings[ExecutionProcess]) -> Service:
    """Put the service together; it is built each time that this process becomes the active one."""
    context, settings = around.context, around.settings.execution
    ledger = await around.durable_ledger()
    await around.reconciled()
    rest, _ = await around.exchange(signature_life_s=settings.signature_life_s, follow_clock=False)
    lease = around.lease(NAME, uuid.uuid4().hex, LEASE_S)
    return Service(context, [Standby(context, lease, lambda: build(context, settings, rest=rest, ledger=ledger))])


if __name__ == "__main__":
    serve(NAME, ExecutionProcess, root, instance=NAME)
