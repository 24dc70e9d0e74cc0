"""Anchors of a journal's file: the state of the ledger after an entry, so that a restore needs no older entry.

An anchor is made from the journal alone: the entries of a closed segment are applied to the anchor before it, and each
result must be the recorded one. It is written beside the segments as ``journal.<number of the entry>.anchor.zst``: the
anchor as JSON, compressed, behind a digest. It is read back before it counts.

``python -m truebook.ledger.journal.anchors FILE SEQ`` makes one in a process of its own: it keeps a core busy for some
seconds, during which a service must go on.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import Final

import msgspec
import zstandard

from truebook.files import write_atomically
from truebook.ledger.journal.chain import ChainBroken, HashChain
from truebook.ledger.journal.port import JournalAnchor, JournalCorrupt
from truebook.ledger.journal.reading import SegmentReader
from truebook.ledger.port import JournalEntry, LedgerError
from truebook.ledger.rules.ledger import Ledger, replay
from truebook.segments import SegmentedFile

ENDING: Final = ".anchor.zst"
_LEVEL: Final = 3
_BATCH: Final = 1000
_DIGEST_BYTES: Final = 16
_NICE: Final = 10


def anchors_of(path: Path) -> dict[int, Path]:
    """Find the anchors of a journal by the number of their entry."""
    return SegmentedFile(path).numbered(ENDING)


def load_newest_anchor(path: Path, through_seq: int) -> JournalAnchor | None:
    """Load the newest readable anchor at or before an entry; None without one."""
    for seq, anchor in sorted(anchors_of(path).items(), reverse=True):
        if seq <= through_seq and (loaded := load_anchor(anchor)) is not None:
            return loaded
    return None


def load_anchor(path: Path) -> JournalAnchor | None:
    """Load one anchor; None if it is missing or damaged."""
    try:
        content = zstandard.ZstdDecompressor().decompress(path.read_bytes())
        digest, _, body = content.partition(b"\n")
        return msgspec.json.decode(body, type=JournalAnchor) if digest.decode() == _digest(body) else None
    except (OSError, zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def ledger_at(anchor: JournalAnchor) -> Ledger:
    """Make the ledger of an anchor; raises StoreCorrupt if another version wrote its state."""
    return Ledger.from_state(anchor.ledger_id, anchor.seq, anchor.state)


def replay_in_batches(entries: Iterable[JournalEntry], ledger: Ledger | None) -> Ledger | None:
    """Apply entries as ``replay``, without keeping them in memory; None if there is none and no ledger."""
    left = iter(entries)
    while batch := list(islice(left, _BATCH)):
        ledger = replay(batch, ledger)
        ledger.trim_journal(ledger.seq)
    return ledger


def make_anchor(path: Path, through_seq: int) -> JournalAnchor:
    """Write the anchor after an entry, and read it back.

    Raises JournalCorrupt, also if the journal has neither its beginning nor an earlier anchor, StoreCorrupt if a result
    is not the recorded one, and OSError.
    """
    base = load_newest_anchor(path, through_seq)
    ledger = None if base is None else ledger_at(base)
    entries = SegmentReader(path).entries(0 if base is None else base.seq)
    first = list(islice(entries, 1))
    if base is None and first and first[0].seq != 1:
        raise JournalCorrupt(f"{path} begins with entry {first[0].seq}, and has no readable anchor before it")
    hashes = HashChain("" if base is None else base.head)
    wanted = takewhile(lambda entry: entry.seq <= through_seq, chain(first, entries))
    ledger = replay_in_batches(_checked(wanted, hashes, path), ledger)
    if ledger is None or ledger.seq != through_seq:
        raise JournalCorrupt(f"{path} has no entry {through_seq}")
    anchor = JournalAnchor(ledger_id=ledger.ledger_id, seq=ledger.seq, state=ledger.saved_state(), head=hashes.head)
    body = msgspec.json.encode(anchor)
    target = SegmentedFile(path).beside(through_seq, ENDING)
    compressed = zstandard.ZstdCompressor(level=_LEVEL).compress(_digest(body).encode() + b"\n" + body)
    write_atomically(target, compressed)
    written = load_anchor(target)
    if written is None or written != anchor:
        raise OSError(f"{target} differs after it was written: check the disk")
    return anchor


def _checked(entries: Iterable[JournalEntry], hashes: HashChain, path: Path) -> Iterator[JournalEntry]:
    """Yield the entries that continue the chain; raises JournalCorrupt."""
    for entry in entries:
        try:
            hashes.add(entry)
        except ChainBroken as error:
            raise JournalCorrupt(f"{path}: {error}") from error
        yield entry


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).hexdigest()


def main(arguments: list[str]) -> int:
    """Make one anchor; exit code 0: it is there, 3: it can't be made, with the reason in one line on standard error."""
    os.nice(_NICE)
    try:
        make_anchor(Path(arguments[0]), int(arguments[1]))
    except (LedgerError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
