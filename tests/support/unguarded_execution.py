"""Execution without its lease, and in a group of its own: ``python -m support.unguarded_execution``.

Several of these get every decision each, and every one of them decides, whatever the others do. With
``TRUEBOOK_UNFENCED`` the ledger is not told of its epochs either: no one is fenced off, and only the ids that are made
before the effect keep an order from being sent twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as with_other
from typing import Any

from msgspec.structs import replace

from truebook.bus.port import Bus, BusConsumer, Rebalance
from truebook.messages.topics import StartAt, Topic
from truebook.runtime.frames import Service
from truebook_services.execution.__main__ import ExecutionProcess
from truebook_services.execution.service import build
from truebook_services.serving.serve import serve
from truebook_services.serving.surroundings import Surroundings


class UnguardedProcess(ExecutionProcess):
    """The service's settings; ``instance`` names the group too."""

    unfenced: bool = False


class OwnGroups:
    """A bus whose groups are this process's alone, and begin with what comes from now on."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def consumer(
        self, group: str, topics: Sequence[Topic], *, observer: bool = False, rebalance: Rebalance | None = None
    ) -> BusConsumer:
        fresh = [
            replace(topic, start_at=StartAt.END) if topic.start_at is StartAt.COMMITTED else topic for topic in topics
        ]
        return await self._bus.consumer(f"{group}.{self._name}", fresh, observer=observer, rebalance=rebalance)


class Unfenced:
    """A ledger that is not told who has taken over."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def raise_epoch(self, partition: int, epoch: int) -> str:
        return "raised"


async def root(around: Surroundings[UnguardedProcess]) -> Service:
    settings = around.settings
    ledger: Any = await around.durable_ledger()
    rest, _ = await around.exchange(signature_life_s=settings.execution.signature_life_s, follow_clock=False)
    bus: Any = OwnGroups(around.context.bus, str(settings.instance))
    context = with_other(around.context, bus=bus)
    return build(context, settings.execution, rest=rest, ledger=Unfenced(ledger) if settings.unfenced else ledger)


if __name__ == "__main__":
    serve("execution", UnguardedProcess, root)
