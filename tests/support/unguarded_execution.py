"""Execution without its lease and in a consumer group of its own: ``python -m support.unguarded_execution``.

Each of several instances receives and handles every action. With ``TRUEBOOK_UNFENCED`` the ledger does not get their
epochs either: no instance is fenced off, and only the client order ids prevent that an order is sent twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as with_other
from typing import Any

from msgspec.structs import replace

from truebook.bus.port import Bus, BusConsumer, Rebalance
from truebook.ledger.outcomes import RaiseEpochOutcome
from truebook.ledger.verbs import RaiseEpoch, Verb
from truebook.messages.topics import StartAt, Topic
from truebook.runtime.frames import Service
from truebook_services.execution.__main__ import ExecutionProcess
from truebook_services.execution.service import build
from truebook_services.serving.dependencies import Dependencies
from truebook_services.serving.serve import serve


class UnguardedProcess(ExecutionProcess):
    """The service's settings; ``instance`` names the group too."""

    unfenced: bool = False


class OwnGroups:
    """A bus with consumer groups of this process alone, which start at the end of each topic."""

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
    """A ledger that does not get the epochs."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def apply(self, verb: Verb[Any]) -> Any:
        return RaiseEpochOutcome.RAISED if isinstance(verb, RaiseEpoch) else await self._ledger.apply(verb)


async def root(dependencies: Dependencies[UnguardedProcess]) -> Service:
    settings = dependencies.settings
    ledger: Any = await dependencies.durable_ledger()
    rest, _ = await dependencies.exchange(signature_life_s=settings.execution.signature_lifetime_s, follow_clock=False)
    bus: Any = OwnGroups(dependencies.context.bus, str(settings.instance))
    context = with_other(dependencies.context, bus=bus)
    return build(context, settings.execution, rest=rest, ledger=Unfenced(ledger) if settings.unfenced else ledger)


if __name__ == "__main__":
    serve("execution", UnguardedProcess, root)
