"""Bounds the files of a journal: closed segments are compressed, and the oldest ones removed behind an anchor.

Nothing is removed that a restore would need: the segments up to an entry are removed only while a readable anchor after
that entry exists. A journal whose beginning was moved away can't restore an emptied ledger anyway, and has no anchor.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from truebook.ledger.journal.anchors import anchors_of, load_anchor
from truebook.ledger.journal.file import FileJournal
from truebook.ledger.journal.port import JournalUnavailable
from truebook.segments import Segment

DAY_S: Final = 86_400
_MAKER: Final = "truebook.ledger.journal.anchors"


class Retention(NamedTuple):
    """What is kept of a journal, besides its open segment: the stricter bound counts."""

    max_bytes: int
    """Of closed segments and anchors together."""
    max_days: int


class JournalUpkeep:
    """Runs periodically beside the relay."""

    def __init__(self, journal: FileJournal, retention: Retention, log: Any, now_s: Callable[[], int]) -> None:
        self._journal = journal
        self._retention = retention
        self._log = log
        self._now_s = now_s
        self._failed_seq = 0
        """The end of the newest segment that could not be anchored; attempted again with the next segment."""

    async def run(self) -> None:
        """Compress, anchor and remove what is due; raises JournalUnavailable, after which a repetition is safe."""
        try:
            for segment in self._journal.segments.uncompressed():
                await asyncio.to_thread(self._journal.segments.compress, segment)
            await self._anchor()
            await asyncio.to_thread(self._remove_old)
        except OSError as error:
            raise JournalUnavailable(f"the journal {self._journal.path} can't be compressed: {error}") from error

    async def _anchor(self) -> None:
        """Make the anchor after the newest closed segment, in a process of its own."""
        through_seq, path = self._journal.open_after_seq, self._journal.path
        if through_seq in (0, self._failed_seq) or through_seq in anchors_of(path):
            return
        maker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", _MAKER, str(path), str(through_seq),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            _, errors = await maker.communicate()
        finally:
            if maker.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    maker.kill()
                await maker.wait()
        if maker.returncode:
            self._failed_seq = through_seq
            reason = errors.decode(errors="replace").strip().rpartition("\n")[2]
            self._log.error("journal not anchored", through_seq=through_seq, reason=reason)

    def _remove_old(self) -> None:
        """Remove the oldest segments, up to the first readable anchor that leaves little enough."""
        while excess := self._excess(removable := self._removable()):
            anchor = anchors_of(self._journal.path).get(self._end_of(removable[excess - 1]))
            if anchor is not None and load_anchor(anchor) is None:
                self._log.error("anchor of the journal can't be read; removed", file=anchor.name)
                anchor.unlink(missing_ok=True)
                continue
            for segment in removable[:excess]:
                self._journal.segments.remove(segment)
                self._log.info("journal segment removed", file=segment.path.name)
            break
        through_seq = self._journal.open_after_seq
        kept = self._closed()
        first = kept[0].first if kept else through_seq + 1
        for seq, anchor in anchors_of(self._journal.path).items():
            if seq < first - 1:
                anchor.unlink(missing_ok=True)

    def _closed(self) -> list[Segment]:
        """List the closed segments, without one that the writer's thread closes now: its end is not known yet."""
        through_seq = self._journal.open_after_seq
        return [segment for segment in self._journal.segments.closed() if segment.first <= through_seq]

    def _end_of(self, segment: Segment) -> int:
        """Return the number of a closed segment's last entry."""
        following = (other.first for other in self._closed() if other.first > segment.first)
        return next(following, self._journal.open_after_seq + 1) - 1

    def _removable(self) -> list[Segment]:
        """List the oldest segments, up to the last one that an anchor follows."""
        closed = self._closed()
        anchors = anchors_of(self._journal.path)
        if closed and not anchors and closed[0].first != 1:
            return closed  # the beginning was moved away
        ends = [number for number, segment in enumerate(closed, start=1) if self._end_of(segment) in anchors]
        return closed[: max(ends, default=0)]

    def _excess(self, removable: list[Segment]) -> int:
        """Count the segments to remove, so that the rest is within the bounds and begins behind an anchor."""
        anchors = anchors_of(self._journal.path)
        closed = self._closed()
        left = sum(_size(path) for path in (*(segment.path for segment in closed), *anchors.values()))
        oldest_s = self._now_s() - self._retention.max_days * DAY_S
        remove = 0
        for count, segment in enumerate(removable, start=1):
            is_within = left <= self._retention.max_bytes and _modified_s(segment.path) >= oldest_s
            if is_within and remove == count - 1:
                break
            left -= _size(segment.path)
            end = removable[count].first - 1 if count < len(removable) else None
            if end is None or end in anchors or not anchors:
                remove = count
                left -= sum(_size(path) for seq, path in anchors.items() if segment.first - 1 <= seq < (end or seq))
        return remove


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _modified_s(path: Path) -> int:
    try:
        return int(path.stat().st_mtime)
    except FileNotFoundError:
        return 0
