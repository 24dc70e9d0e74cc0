"""Opens the engine of an exchange: a new one, or one restored from its checkpoint and its journal."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from truebook.capture.events import first_event_us, read_events
from truebook.capture.market_metadata import capture_metadata
from truebook.clock import MICROS, Clock
from truebook.messages.ids import digest
from truebook.simulation.events import SimulationEvent
from truebook.simulation.recorded.replay import MarketReplay
from truebook.simulation.synthetic.traders import Traders
from truebook.simulation.venue.exchange import MAX_KEPT, SimulatedExchange, synthetic_exchange
from truebook.simulation.venue.shard_plan import ShardPlan
from truebook_services.paper_exchange.engine.changed_settings import CHANGEABLE, apply_changes
from truebook_services.paper_exchange.engine.checkpoint import Checkpoint, CheckpointWriter, load
from truebook_services.paper_exchange.engine.core import EventSink, ExchangeCore, MarketSource
from truebook_services.paper_exchange.engine.entries import ENGINE, Configured, Continued
from truebook_services.paper_exchange.engine.journal import ExchangeJournal, ExchangeJournalFile
from truebook_services.paper_exchange.engine.journal_errors import ExchangeJournalMismatch
from truebook_services.paper_exchange.engine.market_stats import StatsByMarket
from truebook_services.paper_exchange.engine.shifted import shift_us, shifted_events, shifted_metadata
from truebook_services.paper_exchange.engine.sources import CaptureSource, MirrorSource, TraderSource
from truebook_services.paper_exchange.settings import PaperExchangeSettings

_LATER: Final = frozenset(
    {"accounts", "capture_times", "preset", "shards", "groups_trigger_above_limit", "named_beside"}
)
"""Fields of a configuration that later versions added: with their default, a history keeps the id it had before."""
_NOT_SET: Final = frozenset({"start_us", "engine"})
"""Fields that no setting has."""


class OpenedEngine(NamedTuple):
    """An engine that has caught up with the clock."""

    core: ExchangeCore
    stats: StatsByMarket
    seed: int
    """The seed of what happens from now on: the journal's own if one is continued without another."""
    exchange_id: str
    """A digest of the history's first entry, which contains its start time."""
    checkpoints: CheckpointWriter | None
    """None without a folder, and for a recording, whose position in its file a checkpoint does not restore."""


def open_engine(settings: PaperExchangeSettings, clock: Clock, log: Any) -> OpenedEngine:
    """Open the engine; raises ``ExchangeJournalError`` and ``CaptureError``."""
    if settings.state_folder is None or settings.mirror is not None:
        now_us = clock.now_us()
        configured = _configured(settings, now_us)
        engine, source = _build_market(settings, configured, log)
        core = ExchangeCore(engine, source, ExchangeJournal())
        core.begin(configured)
        return OpenedEngine(core, StatsByMarket(engine), configured.seed, _exchange_id(configured), None)
    journal = ExchangeJournalFile(
        settings.state_folder, log,
        segment_bytes=settings.journal_segment_bytes, max_bytes=settings.journal_max_bytes,
        syncs_each=settings.journal_sync_ms == 0,
    )  # fmt: skip
    try:
        return _open_from_journal(settings, journal, clock, log)
    except BaseException:
        journal.close()
        raise


def _open_from_journal(
    settings: PaperExchangeSettings, journal: ExchangeJournalFile, clock: Clock, log: Any
) -> OpenedEngine:
    assert settings.state_folder is not None
    now_us, until_us = clock.now_us(), journal.last_time_us()
    requested = _configured(settings, now_us)
    recorded = _recorded(journal, requested, settings.model_fields_set)
    checkpoint = None
    if recorded is not None and settings.capture is None:
        checkpoint = load_checkpoint(settings.state_folder, journal, log)
    entries = journal.entries()
    if checkpoint is None and recorded is not None:
        _check_engine(recorded, journal)
        next(entries)  # the configuration
    if checkpoint is None:
        engine, source = _build_market(settings, recorded or requested, log)
    else:
        engine, source = checkpoint.engine, checkpoint.source
    stats = StatsByMarket(engine, None if checkpoint is None else checkpoint.stats)
    core = ExchangeCore(engine, source, journal)
    configured = recorded or requested
    checkpoints = None
    if settings.capture is None:
        checkpoints = CheckpointWriter(
            settings.state_folder, core, journal, stats=stats, configured=configured, log=log
        )
    if recorded is None:
        core.begin(requested)
    else:
        progress = ReplayProgress(clock, stats.record, until_us)
        if checkpoint is None:
            core.recover(recorded, entries, progress.record)
        else:
            core.resume_from(checkpoint.reached_us, entries, progress.record)
        core.skip_downtime(until_us, now_us, progress.record)
        if settings.capture is None:
            apply_changes(core, recorded, requested, settings.model_fields_set, progress.record)
        progress.done()
    seed = source.seed if isinstance(source, TraderSource) else configured.seed
    return OpenedEngine(core, stats, seed, _exchange_id(configured), checkpoints)


def _exchange_id(configured: Configured) -> str:
    """Identify a history by its settings, without the engine's version."""
    settings = msgspec.to_builtins(configured)
    del settings["engine"]
    for field in msgspec.structs.fields(configured):
        if field.name in _LATER and getattr(configured, field.name) == field.default:
            del settings[field.name]
    return digest(msgspec.json.encode(settings).decode())


def _configured(settings: PaperExchangeSettings, start_us: int) -> Configured:
    """Collect the settings that determine the history of an exchange."""
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
        accounts=settings.accounts,
        capture_times=settings.capture_times,
        preset=settings.preset,
        shards=settings.shards,
        groups_trigger_above_limit=settings.groups_trigger_above_limit,
        named_beside=_names_beside(settings),
        engine=ENGINE,
    )


def _names_beside(settings: PaperExchangeSettings) -> bool:
    """Return whether named markets are beside the synthetic ones: both were given."""
    return bool(settings.tickers) and "markets" in settings.model_fields_set


def _recorded(journal: ExchangeJournalFile, requested: Configured, given: Collection[str]) -> Configured | None:
    """Read the configuration of the journal's exchange; None for a new one.

    Settings that are not ``given`` keep the journal's value. Raises ``ExchangeJournalMismatch`` if a given one differs.
    """
    entry = journal.first()
    if entry is None:
        return None
    first = entry.configured if isinstance(entry, Continued) else entry
    for name in Configured.__struct_fields__:
        if name in _NOT_SET or (first.capture is None and name in CHANGEABLE):
            continue
        old, new = getattr(first, name), getattr(requested, name)
        is_given = name.replace("_delay_us", "_delay_ms") in given or (name == "named_beside" and new)
        if old != new and is_given:
            raise ExchangeJournalMismatch(
                f"{journal.file}: this exchange was started with {name} {old!r}, not {new!r}: a restart repeats its "
                "history, which depends on that. Set the same value, or start over with --fresh; balance, seed and "
                "further accounts of a synthetic exchange may change, and what is no part of the history, like the tier"
            )
    return first


def _check_engine(recorded: Configured, journal: ExchangeJournalFile) -> None:
    """Refuse to replay a history with another engine; raises ``ExchangeJournalMismatch``."""
    if recorded.engine != ENGINE:
        raise ExchangeJournalMismatch(
            f"{journal.file}: this exchange's history was written by engine version {recorded.engine or 'unknown'}; "
            f"engine version {ENGINE} of this program would replay it differently. Run the version that wrote it, or "
            "start over with --fresh"
        )


def load_checkpoint(folder: Path, journal: ExchangeJournalFile, log: Any) -> Checkpoint | None:
    """Load the newest checkpoint of this journal and seek behind its entries; None: the whole journal is replayed.

    Raises ``ExchangeJournalMismatch`` if that is not possible because its oldest segments are removed.
    """
    for checkpoint in load(folder, log):
        if journal.skip_prefix(checkpoint.journal_bytes, checkpoint.journal_checksum):
            return checkpoint
        log.warning("checkpoint ignored: of another journal", file=str(journal.file))
    if isinstance(journal.first(), Continued):
        raise ExchangeJournalMismatch(
            f"{journal.file}: the oldest segments of this exchange's journal are removed, and no checkpoint behind "
            "them was written by this version; run the version that wrote them, or start over with --fresh"
        )
    return None


def _build_market(
    settings: PaperExchangeSettings, configured: Configured, log: Any
) -> tuple[SimulatedExchange, MarketSource]:
    """Build the engine and its market source; raises ``CaptureError`` for an unreadable recording."""
    if settings.mirror is not None:
        plan = ShardPlan.parse(configured.shards)
        mirrored = MarketReplay(configured.seed, queue=configured.queue, max_kept=MAX_KEPT, plan=plan)
        mirrored.exchange.groups.triggers_above_limit = configured.groups_trigger_above_limit
        mirrored.begin(configured.start_us)
        return mirrored.exchange, MirrorSource(mirrored, log)
    if settings.capture is None:
        exchange = synthetic_exchange(
            configured.seed, settlement_delay_us=configured.settlement_delay_us, plan=ShardPlan.parse(configured.shards)
        )
        exchange.groups.triggers_above_limit = configured.groups_trigger_above_limit
        traders = Traders(
            configured.seed, start_us=configured.start_us, markets=configured.markets, tickers=configured.tickers,
            named_beside=configured.named_beside, preset=configured.preset,
        )  # fmt: skip
        return exchange, TraderSource(exchange, traders)
    by_us = 0
    if configured.capture_times == "now":
        by_us = shift_us(configured.start_us, first_event_us(settings.capture))
    metadata = shifted_metadata(capture_metadata(settings.capture), by_us)
    plan = ShardPlan.parse(configured.shards)
    replay = MarketReplay(configured.seed, metadata, queue=configured.queue, plan=plan)
    replay.exchange.groups.triggers_above_limit = configured.groups_trigger_above_limit
    replay.begin(configured.start_us)  # lists the markets before the first frame, so that clients can subscribe
    events = read_events(settings.capture)
    return replay.exchange, CaptureSource(replay, shifted_events(events, by_us) if by_us else events, log)


class ReplayProgress:
    """Prints the progress of a replay to standard error once it takes longer than a second."""

    INTERVAL_US: Final = MICROS

    def __init__(self, clock: Clock, sink: EventSink, until_us: int) -> None:
        self._clock = clock
        self._sink = sink
        self._until_us = until_us
        self._printed_us = clock.monotonic_us()
        self._steps = 0
        self._has_printed = False

    def record(self, events: Sequence[SimulationEvent]) -> None:
        self._sink(events)
        self._steps += 1
        if self._steps % 1_000 or self._clock.monotonic_us() - self._printed_us < self.INTERVAL_US:
            return
        self._printed_us = self._clock.monotonic_us()
        left_s = max(0, self._until_us - events[-1].at_us) // MICROS if events else 0
        self._print(f"replaying the exchange's journal: {self._steps:,} steps done, {left_s:,} s of its time left")

    def done(self) -> None:
        if self._has_printed:
            self._print(f"replayed the exchange's journal: {self._steps:,} steps\n")

    def _print(self, text: str) -> None:
        self._has_printed = True
        sys.stderr.write(f"\r{text:<79}")
        sys.stderr.flush()
