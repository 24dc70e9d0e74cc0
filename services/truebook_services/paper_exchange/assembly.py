"""Puts an exchange together from its settings and its journal: which engine, which market, which keys."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from truebook.capture.facts import capture_facts
from truebook.capture.reader import read_capture
from truebook.clock import MICROS, Clock
from truebook.simulation.events import SimulationEvent
from truebook.simulation.exchange import SimulatedExchange
from truebook.simulation.order_entry import OrderEntry
from truebook.simulation.replay_market import CaptureMarket
from truebook.simulation.traders import Traders
from truebook_services.paper_exchange.auth import Authenticator, KeyFileError, load_public_key, own_pair
from truebook_services.paper_exchange.checkpoint import Checkpoint, load
from truebook_services.paper_exchange.core import MarketSource, Tell
from truebook_services.paper_exchange.journal import Configured, Entry, FileJournal, JournalCorrupt, JournalMismatch
from truebook_services.paper_exchange.settings import PaperExchangeSettings
from truebook_services.paper_exchange.sources import CaptureSource, TraderSource


def configured(settings: PaperExchangeSettings, start_us: int) -> Configured:
    """State what shapes the history of an exchange with these settings."""
    return Configured(
        start_us=start_us,
        account=settings.account,
        balance_micros=settings.balance_micros,
        seed=settings.seed,
        markets=settings.markets,
        tickers=settings.tickers,
        settlement_delay_us=settings.settlement_delay_ms * 1000,
        capture=None if settings.capture is None else str(settings.capture.resolve()),
        queue=settings.queue,
    )


def first_entry(
    journal: FileJournal, entries: Iterator[Entry], wanted: Configured, given: Collection[str]
) -> Configured | None:
    """Read what the journal's exchange was configured as, none where it is new.

    What was not ``given`` (names of settings) goes on as it was. Raises ``JournalMismatch`` where a given setting would
    lead to another history.
    """
    first = next(entries, None)
    if first is None:
        return None
    if not isinstance(first, Configured):
        raise JournalCorrupt(journal.file, 1, "the first line is not the configuration")
    for name in ("account", "balance_micros", "seed", "markets", "tickers", "settlement_delay_us", "capture", "queue"):
        old, new = getattr(first, name), getattr(wanted, name)
        if old != new and name.replace("_delay_us", "_delay_ms") in given:
            raise JournalMismatch(
                f"{journal.file}: this exchange was started with {name} {old!r}, not {new!r}; "
                "give the same again, or start anew (--fresh)"
            )
    return first


def saved_beginning(
    journal: FileJournal, entries: Iterator[Entry], folder: Path, log: Any
) -> tuple[Checkpoint | None, Iterator[Entry]]:
    """Give the checkpoint that this journal goes on from, with the entries after it; or none, with all but the first.

    Raises ``JournalCorrupt`` as the entries do.
    """
    saved = load(folder, log)
    if saved is None:
        return None, entries
    if journal.pass_over(saved.journal_bytes, saved.journal_checksum):
        return saved, journal.entries()
    log.warning("the checkpoint belongs to another journal, which is replayed whole", file=str(journal.file))
    whole = journal.entries()
    next(whole)
    return None, whole


def build_market(settings: PaperExchangeSettings, shape: Configured, log: Any) -> tuple[OrderEntry, MarketSource]:
    """Make the engine and what moves its market; raises ``CaptureError`` for a recording that can't be read."""
    if settings.capture is None:
        exchange = SimulatedExchange(shape.seed, settlement_delay_us=shape.settlement_delay_us)
        traders = Traders(shape.seed, start_us=shape.start_us, markets=shape.markets, tickers=shape.tickers)
        return exchange, TraderSource(exchange, traders)
    market = CaptureMarket(shape.seed, capture_facts(settings.capture), queue=shape.queue)
    market.begin(shape.start_us)  # listed before the first frame, so that readers can follow them from the start
    return market, CaptureSource(market, read_capture(settings.capture), log)


def build_keys(settings: PaperExchangeSettings) -> tuple[Authenticator, str, Path | None]:
    """Make the authenticator; answers it with the key's id and, where the pair is our own, its private key file."""
    authenticator = Authenticator(
        behind_s=settings.clock_behind_s, ahead_s=settings.clock_ahead_s, verify=settings.verify_signatures
    )
    private_file: Path | None = None
    key_id = settings.key_id
    if key_id is not None and settings.public_key_file is not None:
        key = load_public_key(settings.public_key_file)
    elif key_id is not None and not settings.verify_signatures:
        key = None
    elif key_id is not None or settings.public_key_file is not None:
        raise KeyFileError("a key id and its public key file belong together: give both or neither")
    elif settings.state_folder is None:
        raise KeyFileError("without a state folder there is no place for a key pair: give a key id and a public key")
    else:
        key_id, private_file = own_pair(settings.state_folder)
        key = load_public_key(private_file)
    authenticator.admit(key_id, key, settings.account)
    return authenticator, key_id, private_file


class ReplayProgress:
    """Tells on standard error how far a replay has come, once it takes longer than a second."""

    EVERY_US: Final = MICROS

    def __init__(self, clock: Clock, learn: Tell, until_us: int) -> None:
        self._clock = clock
        self._learn = learn
        self._until_us = until_us
        self._told_us = clock.monotonic_us()
        self._steps = 0
        self._shown = False

    def learn(self, events: Sequence[SimulationEvent]) -> None:
        self._learn(events)
        self._steps += 1
        if self._steps % 1_000 or self._clock.monotonic_us() - self._told_us < self.EVERY_US:
            return
        self._told_us = self._clock.monotonic_us()
        left_s = max(0, self._until_us - events[-1].at_us) // MICROS if events else 0
        self._write(f"the exchange replays its journal: {self._steps:,} steps, {left_s:,} s of its time to go")

    def done(self) -> None:
        if self._shown:
            self._write(f"the exchange has replayed its journal: {self._steps:,} steps\n")

    def _write(self, text: str) -> None:
        self._shown = True
        sys.stderr.write(f"\r{text:<79}")
        sys.stderr.flush()
