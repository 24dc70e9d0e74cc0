"""Reads the entries of a journal from its files, over all segments, and checks every line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from truebook.ledger.journal.lines import Chain, LineError
from truebook.ledger.journal.port import JournalCorrupt
from truebook.ledger.port import JournalEntry
from truebook.segments import Segment, SegmentDamaged, SegmentedFile, read_lines


class SegmentReader:
    """Reads closed segments completely, and the open one up to ``end`` (None: to its last complete line)."""

    def __init__(self, path: Path, end: int | None = None) -> None:
        self.open = Segment(0, path)
        self._segments = SegmentedFile(path)
        self._end = end
        self.first_seq = 0
        """The number of the first entry that was read in the last segment; 0 if it has none."""
        self.torn_bytes = 0
        """Length of a last line without its end."""

    def entries(self, after_seq: int) -> Iterator[JournalEntry]:
        """Yield the entries after a number, in order; raises JournalCorrupt."""
        chain = Chain()
        for segment in self._from(after_seq):
            for entry in self.check(segment, chain):
                if entry.seq > after_seq:
                    yield entry

    def end_of(self, segment: Segment) -> tuple[str, JournalEntry | None]:
        """Check a segment alone; return the digest of its last line, and its last entry."""
        chain, last = Chain(), None
        for last in self.check(segment, chain):  # noqa: B007  # the last one counts
            pass
        return chain.digest, last

    def check(self, segment: Segment, chain: Chain) -> Iterator[JournalEntry]:
        """Yield the entries of a segment that continues the chain; raises JournalCorrupt."""
        chain.begin_segment()
        self.first_seq, offset, number = 0, 0, 0
        is_open = segment == self.open
        try:
            for number, line in enumerate(read_lines(segment.path), start=1):  # noqa: B007  # for the error
                if is_open and self._end is not None and offset >= self._end:
                    return
                if is_open and self._end is None and not line.endswith(b"\n"):
                    self.torn_bytes = len(line)
                    return
                offset += len(line)
                entry = chain.read(line)
                if entry is not None:
                    self.first_seq = self.first_seq or entry.seq
                    yield entry
        except (LineError, SegmentDamaged) as error:
            raise JournalCorrupt(
                f"{segment.path}, line {number}: {error}. Restore the file from a copy; or move it away, with all "
                f"files {self.open.path.stem}.* beside it, to continue from the ledger as it is"
            ) from error
        except FileNotFoundError as error:
            if not is_open:
                raise JournalCorrupt(f"{segment.path} was removed while it was read") from error

    def _from(self, after_seq: int) -> list[Segment]:
        """List the segments from the one with the entry after that number on; all if it is older."""
        closed = self._segments.closed()
        later = [segment for segment, following in pairwise(closed) if following.first > after_seq + 1]
        return [*later, *closed[-1:], self.open]
