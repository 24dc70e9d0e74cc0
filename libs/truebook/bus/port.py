"""The port of the bus: topics of keyed records, consumer groups, commits; in process or over Kafka.

Guarantees (``tests/support/bus_contract.py`` tests every implementation):
- records of one key are delivered in the order in which they were published;
- at-least-once: an uncommitted record is delivered again to the next member of the group, and after a rebalance
  possibly to the same one;
- the members of a group share the partitions; a new member gets some of them, and nothing is lost or skipped;
- a group starts at its topics' ``start_at``; ``END`` topics start at the end at *every* assignment;
- a *pipeline* group exerts back-pressure on publishers, an *observer* group never does: it lags on a bounded log, and
  ``Record.missed`` counts what the log has dropped before it was read;
- a task must not await publishing to a topic that it reads itself as a pipeline group: if full, it would wait for
  itself. The in-process bus detects this and raises.

``Record.missed`` also counts records coalesced for a slow pipeline group, on topics where newer records replace older
ones (``orderbook``, ``observations``); on compacted topics nothing counts as missed.

    BusError             the bus could not do what was requested
    ├── BusClosed        the bus, or this consumer, has been closed
    ├── BusUnavailable   the bus can't be reached now, or a response was lost: a retry is safe
    ├── BusRefused       the bus refuses this user or its settings: a retry does not help
    ├── RecordTooLarge   the record is larger than the bus accepts
    └── TopicMismatch    a topic is missing, or differs from its declaration
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from truebook.messages.topics import Topic


class BusError(Exception):
    """The bus could not do what was requested."""

    retry = False


class BusClosed(BusError):
    """The bus, or this consumer, has been closed."""


class BusUnavailable(BusError):
    """The bus can't be reached now, or its response was lost; a retry is safe, since effects are idempotent."""

    retry = True


class BusRefused(BusError):
    """The bus refuses the user, the group or the settings."""


class RecordTooLarge(BusError):
    """A record is larger than the bus accepts."""


class TopicMismatch(BusError):
    """A topic is missing, or differs from its declaration."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record; ``missed`` counts records of its partition that were dropped or coalesced right before it."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    missed: int = 0


class Partition(msgspec.Struct, frozen=True, order=True):
    """One partition of a topic: the unit of assignment and fencing."""

    topic: str
    number: int


class Rebalance(Protocol):
    """Callbacks of a consumer's owner. Both are awaited before records are delivered.

    ``revoked`` may be called while a batch is being handled; until it returns, commits of these partitions are valid.
    It is not called when the consumer closes. What a callback raises is raised by the next ``poll``.
    """

    async def assigned(self, partitions: frozenset[Partition]) -> None: ...
    async def revoked(self, partitions: frozenset[Partition]) -> None: ...


class BusConsumer(Protocol):
    """A member of a group."""

    async def poll(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        """Wait up to ``timeout_s`` for records; return them in order per partition, possibly none."""
        ...

    async def commit(self, offsets: dict[Partition, int]) -> None:
        """Store, per partition, the offset of the next record to be delivered.

        A partition that this member has lost is ignored: its new owner handles those records again.
        """
        ...

    async def lag(self) -> dict[str, int]:
        """Return, per topic, how many records are ahead of this member's positions."""
        ...

    async def close(self) -> None:
        """Leave the group; uncommitted records go to the next member."""
        ...


class Bus(Protocol):
    """The bus of a service."""

    async def publish(self, topic: Topic, key: str, value: bytes) -> None:
        """Append one record and return once it is durable; may wait for slow pipeline groups."""
        ...

    async def publish_many(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        """Append (key, value) records in order."""
        ...

    async def consumer(
        self, group: str, topics: Sequence[Topic], *, observer: bool = False, rebalance: Rebalance | None = None
    ) -> BusConsumer:
        """Join ``group`` and read ``topics``."""
        ...

    async def flush(self) -> None: ...
    async def aclose(self) -> None: ...
