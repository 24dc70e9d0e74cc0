"""One partition of the in-process bus: its log, its groups, and the publishers that wait for room."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Generic

from truebook.bus.memory.groups import Member, Share
from truebook.bus.memory.log import Log
from truebook.bus.port import Partition


class Channel(Generic[Member]):
    """One partition of one topic."""

    def __init__(self, partition: Partition, log: Log, capacity: int, observer_log: int) -> None:
        self.partition = partition
        self.log = log
        self.shares: list[Share[Member]] = []
        self._capacity = capacity
        self._observer_log = observer_log
        self._waiting: list[asyncio.Future[None]] = []

    def extend(self, topic: str, records: Sequence[tuple[str, bytes]]) -> None:
        """Add records (key, value) in their order."""
        self.log.extend(topic, self.partition.number, records)
        for share in self.shares:
            if share.flowing and share.owner is not None:
                share.owner.wake()
        if len(self.log) > self._observer_log:
            self.release()

    def full_for(self) -> Share[Member] | None:
        """Return a pipeline group that has no room for another record, or None."""
        if self.log.collapse is not None:
            return None
        for share in self.shares:
            if not share.observer and self.log.end - share.needs_from() >= self._capacity:
                return share
        return None

    def release(self) -> None:
        """Drop records that no group needs, and wake waiting publishers."""
        oldest_kept = max(0, self.log.end - self._observer_log)
        needed = self.log.end if self.shares else oldest_kept
        for share in self.shares:
            first = share.needs_from()
            needed = min(needed, max(first, oldest_kept) if share.observer else first)
        self.log.trim(needed)
        if self._waiting and self.full_for() is None:
            self.wake_publishers()

    async def room(self) -> None:
        """Wait until something changed; the caller checks again."""
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(wake)
        try:
            await wake
        finally:
            if wake in self._waiting:
                self._waiting.remove(wake)

    def wake_publishers(self) -> None:
        waiting, self._waiting = self._waiting, []
        for wake in waiting:
            if not wake.done():
                wake.set_result(None)
