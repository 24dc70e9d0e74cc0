"""A checkpoint spares a restart the replay of the journal's beginning: it is the exchange after so many bytes of it.

It is a cache and no record: one that was written by other code, by another Python, or beside another journal, or that
can't be read, is passed over, and the journal is replayed from its start, which leads to the same state. It is a
pickle: its file lies in the folder, and has the mode, of the private key; who can write there is the exchange's user.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

import truebook
import truebook_services.paper_exchange
from truebook.simulation.order_entry import OrderEntry
from truebook_services.paper_exchange.core import MarketSource
from truebook_services.paper_exchange.journal import sync_folder
from truebook_services.paper_exchange.market_stats import MarketStats

NAME: Final = "checkpoint"
_PROTOCOL: Final = 5


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an exchange, and where its journal had come to."""

    journal_bytes: int
    journal_checksum: int
    reached_us: int
    engine: OrderEntry
    source: MarketSource
    stats: dict[str, MarketStats]


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write it in place of the last one: whole or not at all."""
    parts = tuple(getattr(checkpoint, name) for name in Checkpoint.__struct_fields__)
    body = pickle.dumps(parts, _PROTOCOL)
    fresh = folder / f"{NAME}.new"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(_head(body) + body)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / NAME)
    sync_folder(folder)


def load(folder: Path, log: Any) -> Checkpoint | None:
    """Read the last one; null where there is none that this program wrote and that came to the disk whole."""
    try:
        written = (folder / NAME).read_bytes()
    except FileNotFoundError:
        return None
    head, _, body = written.partition(b"\n")
    if head + b"\n" != _head(body):
        log.info("the checkpoint is another program's, or broken: the journal is replayed whole")
        return None
    return Checkpoint(**dict(zip(Checkpoint.__struct_fields__, pickle.loads(body), strict=True)))


def _head(body: bytes) -> bytes:
    return b"truebook checkpoint %s %08x\n" % (_program().encode(), zlib.crc32(body))


@cache
def _program() -> str:
    """Name the code that gives a pickle its meaning."""
    digest = hashlib.blake2b(f"{sys.version} {msgspec.__version__}".encode(), digest_size=16)
    for file in _sources():
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    for package in (truebook, truebook_services.paper_exchange):
        for folder in package.__path__:
            yield from sorted(Path(folder).rglob("*.py"))
