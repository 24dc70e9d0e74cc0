"""Consumer groups of the in-process bus: who owns which partition, and where each group stands in its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from truebook.bus.log import Log
from truebook.bus.port import Partition, Record
from truebook.messages.topics import StartAt


class Reader(Protocol):
    """What a partition's owner must be able to do: wake when there is something to read."""

    def wake(self) -> None: ...


Member = TypeVar("Member", bound=Reader)
Anyone = TypeVar("Anyone")


def assign(
    members: Sequence[Anyone], partitions: Sequence[Partition], owners: Mapping[Partition, Anyone]
) -> dict[Partition, Anyone]:
    """Share one topic's partitions out evenly, moving as few as possible; equal arguments give equal answers.

    ``members`` stand in the order in which they joined. Topics with equal partition counts are shared out alike, so
    that one member gets the same markets of each.
    """
    if not members:
        return {}
    base, extra = divmod(len(partitions), len(members))
    plan: dict[Partition, Anyone] = {}
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
    """One group's place in one partition. Records flow only while it has an owner that knows of its assignment."""

    def __init__(self, partition: Partition, log: Log, start_at: StartAt, *, observer: bool) -> None:
        self.partition = partition
        self.log = log
        self.start_at = start_at
        self.observer = observer
        self.owner: Member | None = None
        self.flowing = False
        self.committed = log.start
        self.position = self.committed

    def give(self, owner: Member) -> None:
        """Begin a new assignment where the topic says that a group begins."""
        self.owner = owner
        match self.start_at:
            case StartAt.BEGINNING:
                self.position = 0
            case StartAt.END:
                self.position = self.log.end
            case StartAt.COMMITTED:
                self.position = self.committed

    def take_away(self) -> None:
        self.owner = None
        self.flowing = False

    def needs_from(self) -> int:
        """The lowest offset that this group may still ask for."""
        if self.start_at is StartAt.COMMITTED:
            return self.committed
        return self.log.end if self.owner is None else self.position

    def read(self, limit: int) -> list[Record]:
        """Take the next records; offsets that the log has dropped in between are counted on the record after them."""
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
