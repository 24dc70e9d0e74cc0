"""Fences: each assignment of a partition of ``actions`` gets an epoch of its own, so that a predecessor can't reserve.

Facts are accepted from anyone; only decisions carry an epoch.
"""

from __future__ import annotations

from typing import Final

from truebook.bus.port import Partition
from truebook.ledger.facts import persist
from truebook.ledger.port import LedgerStore
from truebook.messages.topics import ACTIONS
from truebook.runtime.context import Context
from truebook_services.execution.resolver import Resolver

COUNTER: Final = "actions-epoch"


class Fences:
    """Raises epochs on assignment and knows those in force; a ``Rebalance`` of the bus."""

    def __init__(self, context: Context, ledger: LedgerStore, resolver: Resolver) -> None:
        self._context = context
        self._ledger = ledger
        self._resolver = resolver
        self._epochs: dict[int, int] = {}

    def epoch(self, partition: int) -> int | None:
        """The epoch under which this process may decide for a partition; null where it is not ours."""
        return self._epochs.get(partition)

    async def assigned(self, partitions: frozenset[Partition]) -> None:
        """Fence off predecessors and take over what they left without outcome, before any record flows."""
        ours = sorted(partition.number for partition in partitions if partition.topic == ACTIONS.name)
        for number in ours:
            self._epochs[number] = await persist(self._context.clock, lambda number=number: self._raise(number))  # type: ignore[misc]
        if ours:
            await self._resolver.take_over()

    async def revoked(self, partitions: frozenset[Partition]) -> None:
        for partition in partitions:
            if partition.topic == ACTIONS.name:
                self._epochs.pop(partition.number, None)

    async def _raise(self, number: int) -> int:
        epoch = await self._ledger.next_number(COUNTER)
        await self._ledger.raise_epoch(number, epoch)
        return epoch
