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
import time
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
from truebook_services.paper_exchange.engine.forked_save import ForkedSave
from truebook_services.paper_exchange.engine.journal import ExchangeJournalFile
from truebook_services.paper_exchange.engine.journal_errors import ExchangeJournalError
from truebook_services.paper_exchange.engine.market_stats import MarketStats, StatsByMarket

NAME: Final = "checkpoint"
EARLIER: Final = "checkpoint.1"
RETRY_STEPS: Final = 10_000
"""Market events until a save that failed is repeated."""
CHECKPOINT_STEPS: Final = 200_000
"""Steps between two checkpoints that the exchange writes itself: five seconds of replay. Writing one blocks it for
0.1 to 0.3 s, or a second with fifty thousand orders."""
FORKED_STEPS: Final = 5_000
"""The same where a forked process writes them: an eighth of a second of replay."""
COMMAND_STEPS: Final = 3
"""A command of an account counts as so many market events, by the time that its replay takes."""
IDLE_SHARE: Final = 3
"""Forked saves begin at least this many times a save's duration after the last one."""
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
        self.forks = False
        """Whether ``save_if_due`` lets a forked process write."""
        self._folder = folder
        for part in folder.glob(f"{NAME}.next.*"):  # of a save that was killed
            part.unlink(missing_ok=True)
        self._core = core
        self._journal = journal
        self._stats = stats
        self._configured = configured
        self._log = log
        self._forked = ForkedSave()
        self._saved_steps = self._retry_steps = self._steps
        self._not_before_s = 0.0

    @property
    def _steps(self) -> int:
        """How much there is to replay, in market events."""
        return self._core.source.position + COMMAND_STEPS * self._core.commands

    def save_if_due(self) -> None:
        """Save the state if much is new or the journal's segment is long, which then ends; may be repeated."""
        try:
            if self._forked.is_running:
                self._follow_forked()
            elif self._is_due():
                if self.forks:
                    self._saved_steps = self._steps
                    self._forked.begin(self._save_now, self._journal.descriptor)
                else:
                    self.save()
                    self._end_long_segment()
        except OSError as error:
            self._failed(str(error))

    def _is_due(self) -> bool:
        steps = self._steps
        every = FORKED_STEPS if self.forks else CHECKPOINT_STEPS
        if steps < self._retry_steps or not (steps - self._saved_steps >= every or self._journal.is_long):
            return False
        return time.monotonic() >= self._not_before_s

    def _follow_forked(self) -> None:
        succeeded = self._forked.ended()
        if succeeded is None:
            return
        self._not_before_s = time.monotonic() + IDLE_SHARE * self._forked.took_s
        if succeeded:
            self._end_long_segment()
        else:
            self._failed("the process that wrote it failed")

    def _failed(self, error: str) -> None:
        self._retry_steps = self._steps + RETRY_STEPS
        self._log.error("checkpoint not saved; the journal grows until it is", error=error)

    def _end_long_segment(self) -> None:
        if self._journal.is_long:
            self._journal.begin_segment(self._configured)

    def save(self) -> None:
        """Save the state; call right after a tick, when the journal is written up to it. Raises OSError."""
        self._forked.ended(wait=True)
        self._saved_steps = self._steps
        self._save_now()

    def _save_now(self) -> None:
        self._journal.flush()  # a checkpoint must not be ahead of the journal on disk
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
    # Concurrent: a killed exchange's forked save may still write while the next instance does.
    write_atomically(following, _header(body, checkpoint.journal_bytes) + body, concurrent=True)
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
