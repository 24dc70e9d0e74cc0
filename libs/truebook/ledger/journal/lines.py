"""The lines of a journal file: an entry as JSON, with a digest that covers it and all lines before it.

    {"seq":2,"ledger_id":"…","verb":"reserve","arguments":{…},"result":"reserved","previous_hash":"…","digest":"…"}

The digest is blake2b (128 bit, hexadecimal) over the digest of the previous line (empty for the first) and this line
without its own digest. A later segment of the file begins with a line that continues the chain:

    {"after_seq":2,"ledger_id":"…","before":"digest of the line of entry 2","head":"hash of entry 2","digest":"…"}

The digest finds a damaged line; the hashes (``chain``) also one that was changed together with its digest.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from truebook.ledger.journal.chain import ChainBroken, HashChain
from truebook.ledger.port import JournalEntry

_HEX: Final = 32
_MARK: Final = b',"digest":"'
_TAIL: Final = len(_MARK) + _HEX + len(b'"}\n')


class SegmentStart(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a segment that continues an earlier one."""

    after_seq: int
    ledger_id: str
    before: str
    """The digest of the earlier segment's last line."""
    head: str = ""
    """The hash of the earlier segment's last entry; empty: an earlier version wrote this line."""


_START: Final = b'{"after_seq":'
_encoder = msgspec.json.Encoder()
_entries = msgspec.json.Decoder(JournalEntry)
_starts = msgspec.json.Decoder(SegmentStart)


class LineError(ValueError):
    """A line is damaged."""


def write_line(entry: JournalEntry | SegmentStart, before: str) -> tuple[bytes, str]:
    """Return one entry as a line, and its digest; ``before`` is the digest of the previous line."""
    body = _encoder.encode(entry)
    digest = _digest(body, before)
    return body[:-1] + _MARK + digest.encode() + b'"}\n', digest


class Chain:
    """Checks lines one after the other, over any number of segments: their digests, numbers and hashes."""

    def __init__(self, digest: str = "", seq: int | None = None) -> None:
        self.digest = digest
        """That of the last line."""
        self.seq = seq
        """The number of the last entry; None before the first line."""
        self._hashes = HashChain()
        self._begins = True

    def begin_segment(self) -> None:
        """Expect the first line of a segment."""
        self._begins = True

    def read(self, line: bytes) -> JournalEntry | None:
        """Check a line and return its entry, None for the start of a segment; raises LineError."""
        begins, self._begins = self._begins, False
        digest, body = _parts(line)
        try:
            if begins and line.startswith(_START):
                self._begin(_starts.decode(body), digest, body)
                return None
            if begins and self.seq is not None:
                raise LineError(f"it does not continue from entry {self.seq}")
            if digest != _digest(body, self.digest):
                raise LineError("the digest does not match the line and the previous one")
            entry = _entries.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise LineError(str(error)) from error
        if self.seq is not None and entry.seq != self.seq + 1:
            raise LineError(f"entry {entry.seq} follows entry {self.seq}")
        try:
            self._hashes.add(entry)
        except ChainBroken as error:
            raise LineError(str(error)) from error
        self.digest, self.seq = digest, entry.seq
        return entry

    def _begin(self, start: SegmentStart, digest: str, body: bytes) -> None:
        if digest != _digest(body, start.before):
            raise LineError("the digest does not match the line")
        if self.seq is not None and (start.after_seq, start.before) != (self.seq, self.digest):
            raise LineError(f"it continues from entry {start.after_seq}, the segment before ends with {self.seq}")
        if start.head and self._hashes.head not in ("", start.head):
            raise LineError(f"it names another hash of entry {start.after_seq} than the segment before leads to")
        self._hashes.head = self._hashes.head or start.head
        self.digest, self.seq = digest, start.after_seq


def _parts(line: bytes) -> tuple[str, bytes]:
    """Split a line into its digest and what the digest covers; raises LineError."""
    mark = line[-_TAIL : -_TAIL + len(_MARK)]
    digest = line[-_TAIL + len(_MARK) : -3]
    if mark != _MARK or line[-3:] != b'"}\n' or not digest.isalnum():
        raise LineError("it does not end with a digest")
    return digest.decode("ascii"), line[:-_TAIL] + b"}"


def _digest(body: bytes, before: str) -> str:
    return hashlib.blake2b(before.encode() + body, digest_size=_HEX // 2).hexdigest()
