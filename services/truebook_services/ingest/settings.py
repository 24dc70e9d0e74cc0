"""Settings of ingest: which markets are followed, and how it judges the connection's health."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class UniverseSettings(BaseModel):
    """The filter by which markets are chosen. A market that is named in ``tickers`` passes it while it trades."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    most_markets: int = Field(default=20, ge=0)
    tickers: tuple[str, ...] = ()
    """Only these markets; empty allows all."""
    series: tuple[str, ...] = ()
    """Only markets of these series; empty allows all."""
    shard: int = Field(default=0, ge=0)
    shards: int = Field(default=1, ge=1, le=64)
    """Of so many ingests this is number ``shard``, from 0: each event belongs to one of them, by its name's digest."""
    multivariate: bool = False
    """Follow combinations of other markets (KXMVE...) too."""
    most_spread_cc: int = Field(default=2_000, ge=1)
    least_depth_centi: int = Field(default=100, ge=0)
    """What the thinner of the two best levels holds at least."""
    least_volume_centi: int = Field(default=0, ge=0)
    least_time_to_close_s: float = Field(default=60.0, ge=0)
    """No market is newly chosen that closes sooner."""
    leave_factor: float = Field(default=2.0, ge=1)
    """A followed market is judged by spread, depth and volume limits that are this many times as generous."""
    leave_after: int = Field(default=3, ge=1)
    """A followed market leaves after so many failed judgements in a row."""
    displace_factor: float = Field(default=1.5, ge=1)
    """A newcomer takes a followed market's place only with this many times its volume."""

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if self.shard >= self.shards:
            raise ValueError(f"shard {self.shard} is not among the {self.shards} shards, which count from 0")
        return self


class IngestSettings(BaseModel):
    """Settings of the service. Durations marked *real* are of the local steady clock, others of the exchange's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    universe: UniverseSettings = UniverseSettings()
    refresh_s: float = Field(default=15.0, gt=0)
    """How often the universe is chosen anew (real)."""
    refresh_soon_s: float = Field(default=2.0, gt=0)
    """The same when the exchange told of a new market, or while places are free; at most so often (real)."""
    probe_valid_s: float = Field(default=60.0, gt=0)
    """For how long a book that was read by REST, to judge a candidate, stands for it."""
    most_probes: int = Field(default=25, ge=1)
    """Candidates' books that are read by REST at one choice: reads have a budget that others need too."""
    gather_ms: float = Field(default=2.0, ge=0)
    """How long messages are gathered before they are published together."""
    snapshot_every_s: float = Field(default=2.0, gt=0)
    """How often a market's whole book is published while it changes or its time moves on."""
    quiet_s: float = Field(default=1.5, gt=0)
    """After so long without a frame on the books' subscription one book is asked for, as a sign of life."""
    ask_again_s: float = Field(default=2.0, gt=0)
    """A book that was asked for and has not come is asked for again (real)."""
    most_asks: int = Field(default=5, ge=1)
    """After so many vain requests for one book its market is left stale and asked for ever more seldom; where no other
    book is there either, the connection is given up."""
    silence_s: float = Field(default=10.0, gt=0)
    """A connection that delivers no frame for so long is given up (real)."""
    watch_s: float = Field(default=0.25, gt=0)
    """How often health and due snapshots are looked at."""
    most_backlog: int = Field(default=20_000, ge=1)
    """Messages that may wait for the bus; beyond, they collapse to one snapshot a market."""
    most_letters_per_s: int = Field(default=20, ge=1)
    """Unreadable frames published as dead letters; all are counted."""
