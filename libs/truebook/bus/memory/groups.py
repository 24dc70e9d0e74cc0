"""Consumer groups of the in-process bus: the owner of each partition, and each group's position in its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from truebook.bus.memory.log import Log
from truebook.bus.port import Partition, Record
from truebook.messages.topics import StartAt


class Reader(Protocol):
    """A partition's owner: it is woken when there is something to read."""

    def wake(self) -> None: ...


Member = TypeVar("Member", bound=Reader)
Owner = TypeVar("Owner")


def assign(
    members: Sequence[Owner], partitions: Sequence[Partition], owners: Mapping[Partition, Owner]
) -> dict[Partition, Owner]:
    """Assign one topic's partitions evenly, moving as few as possible; deterministic.

    ``members`` are in the order of joining. Topics with equal partition counts are assigned alike, so that one member
    gets the same markets of each.
    """
    if not members:
        return {}
    base, extra = divmod(len(partitions), len(members))
    plan: dict[Partition, Owner] = {}
    load: list[int] = []
    for member in members:
        held = [partition for partition in partitions if owners.get(partition) is member]
        share = base + (1 if extra and len(held) > base else 0)
        extra -= share - base
        plan.update(dict.fromkeys(held[:share], member))
        load.append(min(len(held), share))
    for partition in partitions:
        if partition not in plan:
            least = load.index(min(load))
            plan[partition] = members[least]
            load[least] += 1
    return {partition: plan[partition] for partition in partitions}


class Share(Generic[Member]):
    """One group's position in one partition. Records are delivered only once its owner's callback has returned."""

    def __init__(self, partition: Partition, log: Log, start_at: StartAt, *, observer: bool) -> None:
        self.partition = partition
        self.log = log
        self.start_at = start_at
        self.observer = observer
        self.owner: Member | None = None
        self.flowing = False
        self.committed = log.start
        self.position = self.committed

    def assign(self, owner: Member) -> None:
        """Start a new assignment at the topic's ``start_at``."""
        self.owner = owner
        match self.start_at:
            case StartAt.BEGINNING:
                self.position = 0
            case StartAt.END:
                self.position = self.log.end
            case StartAt.COMMITTED:
                self.position = self.committed

    def revoke(self) -> None:
        self.owner = None
        self.flowing = False

    def needs_from(self) -> int:
        """Return the lowest offset that this group may still read."""
        if self.start_at is StartAt.COMMITTED:
            # A former owner may commit what the new owner has yet to read again.
            return self.committed if self.owner is None else min(self.committed, self.position)
        return self.log.end if self.owner is None else self.position

    def read(self, limit: int) -> list[Record]:
        """Return the next records; offsets dropped in between are counted in ``missed`` of the record after them."""
        records = self.log.read(self.position, limit)
        if not records:
            return records
        expected, self.position = self.position, records[-1].offset + 1
        if self.log.forever or self.position - expected == len(records):
            return records
        marked: list[Record] = []
        for record in records:
            missed = record.offset - expected
            marked.append(msgspec.structs.replace(record, missed=missed) if missed else record)
            expected = record.offset + 1
        return marked
