"""The bus's port: topics of keyed records, consumer groups, commits. The in-process bus and Kafka fulfil it alike.

Promises (the contract suite in ``tests/support/bus_contract.py`` holds every implementation to them):
- records of one key are delivered in the order in which they were published;
- at-least-once: a record that was not committed is delivered again to the next member of the group, and at a rebalance
  maybe also to the same one;
- a group's members share the partitions; a new member takes some over, and nothing is lost or skipped;
- a group starts where its topics' ``start_at`` says; ``END`` topics start at the end at *every* assignment;
- a *pipeline* group exerts back-pressure on publishers, an *observer* group never does: it lags on a bounded log and
  gets a counted gap mark (``Record.missed``) when the log has moved past it;
- no task awaits publishing to a topic that the same task reads as a pipeline group: with both full it would wait for
  itself. The in-process bus detects it and raises.

``Record.missed`` also counts what a bus has coalesced away for a slow pipeline group, on the topics where newer records
make older ones worthless (``orderbook``, ``observations``); on compacted topics nothing counts as missed.

    BusError             the bus could not do what was asked
    ├── BusClosed        the bus, or this consumer, has been closed
    ├── BusUnavailable   the bus can't be reached now, or an answer was lost: repeating is safe
    ├── BusRefused       the bus refuses this user or its settings: repeating is of no use
    ├── RecordTooLarge   the record is larger than the bus takes
    └── TopicMismatch    a topic is missing, or is not as it is declared
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from truebook.messages.topics import Topic


class BusError(Exception):
    """The bus could not do what was asked."""

    retry = False


class BusClosed(BusError):
    """The bus, or this consumer, has been closed."""


class BusUnavailable(BusError):
    """The bus can't be reached now, or its answer was lost; repeating is safe, since effects are idempotent."""

    retry = True


class BusRefused(BusError):
    """The bus refuses the user, the group or the settings."""


class RecordTooLarge(BusError):
    """A record is larger than the bus takes."""


class TopicMismatch(BusError):
    """A topic is missing, or differs from how it is declared."""


class Record(msgspec.Struct, frozen=True):
    """One record; ``missed`` counts records of its partition that were dropped or coalesced away right before it."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    missed: int = 0


class Partition(msgspec.Struct, frozen=True, order=True):
    """A part of a topic: the unit of assignment and of fencing."""

    topic: str
    number: int


class Rebalance(Protocol):
    """What a consumer's owner wants to know about its partitions. Both are awaited before records flow.

    ``revoked`` may come while a batch is being handled, and while it is awaited commits of these partitions still
    count. It is not called when the consumer closes. What a callback raises is raised by the next ``poll``.
    """

    async def assigned(self, partitions: frozenset[Partition]) -> None: ...
    async def revoked(self, partitions: frozenset[Partition]) -> None: ...


class BusConsumer(Protocol):
    """A member of a group."""

    async def poll(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        """Wait up to ``timeout_s`` for records; answers with what is there, in order per partition, maybe nothing."""
        ...

    async def commit(self, offsets: dict[Partition, int]) -> None:
        """Store, per partition, the offset of the next record to be delivered.

        A partition that this member has lost meanwhile is left out silently: its new owner handles those records again.
        """
        ...

    async def lag(self) -> dict[str, int]:
        """Per topic, how many records wait behind this member's positions."""
        ...

    async def close(self) -> None:
        """Leave the group; what was not committed goes to the next member."""
        ...


class Bus(Protocol):
    """The bus as a service sees it."""

    async def publish(self, topic: Topic, key: str, value: bytes) -> None:
        """Append one record. Returns once it is accepted for good; may wait for slow pipeline groups."""
        ...

    async def publish_many(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        """Append (key, value) records in order; cheaper than one by one."""
        ...

    async def consumer(
        self, group: str, topics: Sequence[Topic], *, observer: bool = False, rebalance: Rebalance | None = None
    ) -> BusConsumer:
        """Join ``group`` and read ``topics``."""
        ...

    async def flush(self) -> None: ...
    async def aclose(self) -> None: ...
