"""A checkpoint is the exchange's state after a prefix of its journal, so that a restart replays only the rest.

One that was written by other code, by another Python or beside another journal, or that cannot be read, is ignored, and
the whole journal is replayed to the same state, unless its oldest segments are removed already. The last two are kept.
It is a pickle: its file has the folder and mode of the private key, so whoever can write it already controls the
exchange.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

import truebook.book
import truebook.messages
import truebook.simulation
import truebook.venue
import truebook_services.paper_exchange.engine
from truebook.files import sync_folder, write_atomically
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook_services.paper_exchange.engine.core import ExchangeCore, MarketSource
from truebook_services.paper_exchange.engine.entries import Configured
from truebook_services.paper_exchange.engine.journal import ExchangeJournalFile
from truebook_services.paper_exchange.engine.journal_errors import ExchangeJournalError
from truebook_services.paper_exchange.engine.market_stats import MarketStats, StatsByMarket

NAME: Final = "checkpoint"
EARLIER: Final = "checkpoint.1"
RETRY_STEPS: Final = 10_000
"""Market events until a save that failed is repeated."""
CHECKPOINT_STEPS: Final = 200_000
"""Market events between two checkpoints: five seconds of replay, an hour of sixty markets. Writing one blocks the
exchange for 0.1 to 0.3 s."""
_PROTOCOL: Final = 5


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an exchange, and the prefix of the journal that leads to it."""

    journal_bytes: int
    journal_checksum: int
    reached_us: int
    engine: SimulatedExchange
    source: MarketSource
    stats: dict[str, MarketStats]


class CheckpointWriter:
    """Saves checkpoints of one exchange, and bounds its journal behind them."""

    def __init__(
        self, folder: Path, core: ExchangeCore, journal: ExchangeJournalFile, *,
        stats: StatsByMarket, configured: Configured, log: Any,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._core = core
        self._journal = journal
        self._stats = stats
        self._configured = configured
        self._log = log
        self._saved_position = self._retry_position = core.source.position

    def save_if_due(self) -> None:
        """Save the state if many events are new or the journal's segment is long, which then ends; may be repeated."""
        position = self._core.source.position
        is_due = position - self._saved_position >= CHECKPOINT_STEPS or self._journal.is_long
        if not is_due or position < self._retry_position:
            return
        try:
            self.save()
            if self._journal.is_long:
                self._journal.begin_segment(self._configured)
        except OSError as error:
            self._retry_position = position + RETRY_STEPS
            self._log.error("checkpoint not saved; the journal grows until it is", error=str(error))

    def save(self) -> None:
        """Save the state; call right after a tick, when the journal is written up to it. Raises OSError."""
        self._journal.flush()  # a checkpoint must not be ahead of the journal on disk
        self._saved_position = self._core.source.position
        save(
            self._folder,
            Checkpoint(
                journal_bytes=self._journal.size, journal_checksum=self._journal.checksum,
                reached_us=self._core.reached_us, engine=self._core.engine, source=self._core.source,
                stats=self._stats.by_ticker,
            ),
        )  # fmt: skip

    def bound_journal(self) -> None:
        """Compress what is closed, and remove the oldest segments, up to the older of two readable checkpoints.

        Damage is logged: the next call tries again.
        """
        try:
            readable = [size for name in (NAME, EARLIER) if (size := _covered_bytes(self._folder / name)) is not None]
            self._journal.bound(min(readable) if len(readable) == 2 else 0)
        except (OSError, ExchangeJournalError) as error:
            self._log.error("journal of the exchange not compressed", error=str(error))


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint and keep the last one, each atomically; raises OSError."""
    parts = tuple(getattr(checkpoint, name) for name in Checkpoint.__struct_fields__)
    body = pickle.dumps(parts, _PROTOCOL)
    following = folder / f"{NAME}.next"
    write_atomically(following, _header(body, checkpoint.journal_bytes) + body)
    if (folder / NAME).exists():
        (folder / NAME).replace(folder / EARLIER)
    following.replace(folder / NAME)
    sync_folder(folder)


def load(folder: Path, log: Any) -> Iterator[Checkpoint]:
    """Yield the checkpoints that this program wrote completely, the newest first."""
    for name in (NAME, EARLIER):
        content = _content(folder / name)
        if content is None:
            continue
        if not content[0].startswith(_program()):
            log.info("checkpoint ignored: of another program", file=name)
            continue
        yield Checkpoint(**dict(zip(Checkpoint.__struct_fields__, pickle.loads(content[1]), strict=True)))


def _content(path: Path) -> tuple[bytes, bytes] | None:
    """Read a checkpoint's header and body; None if it is missing or damaged."""
    try:
        header, _, body = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    return (header, body) if header.endswith(b" %08x" % zlib.crc32(body)) else None


def _covered_bytes(path: Path) -> int | None:
    """Return how much of the journal a complete checkpoint of this program covers."""
    content = _content(path)
    if content is None or not content[0].startswith(_program()):
        return None
    return int(content[0].removeprefix(_program()).split()[0])


def _header(body: bytes, journal_bytes: int) -> bytes:
    return b"%s %d %08x\n" % (_program(), journal_bytes, zlib.crc32(body))


def _program() -> bytes:
    return b"truebook checkpoint %s" % _program_digest().encode()


@cache
def _program_digest() -> str:
    """Identify the code that a pickle depends on."""
    digest = hashlib.blake2b(f"{sys.version} {msgspec.__version__}".encode(), digest_size=16)
    for file in _sources():
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    for package in (
        truebook.simulation, truebook.venue, truebook.book, truebook.messages, truebook_services.paper_exchange.engine,
    ):  # fmt: skip
        for folder in package.__path__:
            yield from sorted(Path(folder).rglob("*.py"))
