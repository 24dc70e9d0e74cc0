"""Gives each assignment of a partition of ``actions`` an epoch of its own, so that a predecessor can't reserve.

Only decisions carry an epoch; reports of the exchange are accepted from any instance.
"""

from __future__ import annotations

from typing import Final

from truebook.bus.port import Partition
from truebook.ledger.exchange_reports import persist
from truebook.ledger.port import LedgerStore
from truebook.ledger.verbs import NextNumber, RaiseEpoch
from truebook.messages.topics import ACTIONS
from truebook.runtime.context import Context
from truebook_services.execution.resolver import Resolver

COUNTER: Final = "actions-epoch"


class PartitionEpochs:
    """Raises epochs on assignment and holds those in force; a ``Rebalance`` of the bus."""

    def __init__(self, context: Context, ledger: LedgerStore, resolver: Resolver) -> None:
        self._context = context
        self._ledger = ledger
        self._resolver = resolver
        self._epochs: dict[int, int] = {}

    def epoch(self, partition: int) -> int | None:
        """Return the epoch under which this process may decide for a partition; None if another process has it."""
        return self._epochs.get(partition)

    @property
    def has_unresolved_orders(self) -> bool:
        """Whether orders of an earlier instance have no known outcome yet: nothing may be reserved until then."""
        return bool(self._resolver.adopted)

    async def assigned(self, partitions: frozenset[Partition]) -> None:
        """Fence off predecessors and adopt their unresolved orders, before any record is delivered."""
        ours = sorted(partition.number for partition in partitions if partition.topic == ACTIONS.name)
        for number in ours:
            self._epochs[number] = await persist(self._context.clock, lambda number=number: self._raise(number))  # type: ignore[misc]
        if ours:
            await self._resolver.adopt_open_orders()

    async def revoked(self, partitions: frozenset[Partition]) -> None:
        for partition in partitions:
            if partition.topic == ACTIONS.name:
                self._epochs.pop(partition.number, None)

    async def _raise(self, number: int) -> int:
        epoch = await self._ledger.apply(NextNumber(name=COUNTER))
        await self._ledger.apply(RaiseEpoch(partition=number, epoch=epoch))
        return epoch
