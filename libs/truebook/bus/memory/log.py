"""One partition's log in memory: records by offset, and the policy of what may be dropped.

Most topics may lose nothing: such a log is trimmed only up to its readers. A topic with a ``Collapse`` policy instead
keeps a bounded number of unread records per key, so that its publisher never has to wait:

- ``keep=1`` coalesces: a newer record replaces the unread one of its key (``observations``, compacted topics);
- a larger ``keep`` is for streams of changes (``orderbook``): beyond it, a key's backlog is cut to the newest
  self-contained record (a snapshot) and what follows, or, without one, to its last record. The gap in the offsets
  becomes ``Record.missed``; the gap in the book's versions makes its reader stale until the next snapshot.

The newest record of a key is always kept, so that a reader detects that it has missed something.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

import msgspec

from truebook.bus.port import Record

_SPARSE: Final = 8
"""With so many times more offsets than records, iterating over the records is faster."""


class Collapse(msgspec.Struct, frozen=True):
    """How many unread records of a key are kept, and from which kind of record a reader can start."""

    keep: int
    is_self_contained: Callable[[bytes], bool] | None = None


class Log:
    """Records of one partition, by offset. ``forever`` logs (compacted topics) are not trimmed, only collapsed."""

    def __init__(self, collapse: Collapse | None = None, *, forever: bool = False) -> None:
        self.end = 0
        self.collapse = collapse
        self.forever = forever
        self._records: dict[int, Record] = {}  # in the order of their offsets
        self._first = 0  # no record is before it
        self._offsets: dict[str, deque[int]] = {}

    def __len__(self) -> int:
        return len(self._records)

    @property
    def start(self) -> int:
        """The oldest offset in the log; ``end`` if it is empty."""
        first, end, records = self._first, self.end, self._records
        while first < end and first not in records:
            first += 1
        self._first = first
        return first

    def extend(self, topic: str, partition: int, records: Sequence[tuple[str, bytes]]) -> None:
        """Add records (key, value) from ``end`` on; may collapse their keys' backlogs."""
        added, by_key, collapse = self._records, self._offsets, self.collapse
        for offset, (key, value) in enumerate(records, start=self.end):
            added[offset] = Record(topic, partition, offset, key, value)
            self.end = offset + 1
            if collapse is not None:
                waiting = by_key.get(key)
                if waiting is None:
                    waiting = by_key[key] = deque()
                waiting.append(offset)
                if len(waiting) > collapse.keep:
                    self._cut(waiting, collapse)

    def read(self, position: int, limit: int) -> list[Record]:
        """Return up to ``limit`` records from ``position`` on, in order."""
        if position >= self.end or limit <= 0:
            return []
        records, first = self._records, max(position, self.start)
        if self.end - first > _SPARSE * len(records):
            return list(islice((record for offset, record in records.items() if offset >= first), limit))
        found: list[Record] = []
        for offset in range(first, self.end):
            record = records.get(offset)
            if record is not None:
                found.append(record)
                if len(found) == limit:
                    break
        return found

    def waiting(self, position: int) -> int:
        """Return the number of records from ``position`` on."""
        first = max(position, self.start)
        if first == self._first:
            return len(self._records)
        return sum([offset >= first for offset in self._records])

    def trim(self, before: int) -> None:
        """Drop the records before that offset, unless the log is kept for ever."""
        if self.forever:
            return
        records, by_key, before = self._records, self._offsets, min(before, self.end)
        is_collapsed = self.collapse is not None
        for offset in range(self._first, before):
            record = records.pop(offset, None)
            if is_collapsed and record is not None:
                waiting = by_key[record.key]
                waiting.popleft()
                if not waiting:
                    del by_key[record.key]
        self._first = max(self._first, before)

    def _cut(self, waiting: deque[int], collapse: Collapse) -> None:
        survivors = 1
        if collapse.is_self_contained is not None:
            # Only a snapshot that leaves room is of use: else the next record would overflow again.
            for count, offset in enumerate(islice(reversed(waiting), collapse.keep // 2), start=1):
                if collapse.is_self_contained(self._records[offset].value):
                    survivors = count
                    break
        for _ in range(len(waiting) - survivors):
            del self._records[waiting.popleft()]
