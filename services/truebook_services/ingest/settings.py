"""Settings of ingest: which markets are followed, and how the connection's health is checked."""

from __future__ import annotations

from typing import Self

import msgspec
from pydantic import Field, model_validator

from truebook.runtime.settings import Section
from truebook.universe.rules import UniverseRules


class UniverseSettings(Section):
    """The filter by which markets are selected."""

    max_markets: int = Field(default=20, ge=0)
    """Markets followed at most. Those with a position or an open order count, but are always followed."""
    tickers: tuple[str, ...] = ()
    """Follow only these markets, whatever their activity, while they trade; empty allows all."""
    series: tuple[str, ...] = ()
    """Follow only markets of these series; empty allows all."""
    exchange_shards: tuple[int, ...] = ()
    """Follow only markets of these shards of the exchange (their ``exchange_index``); empty allows all."""
    shard: int = Field(default=0, ge=0)
    """The number of this ingest instance, from 0; an event belongs to the shard that the digest of its name selects."""
    shards: int = Field(default=1, ge=1, le=64)
    """How many ingest instances share the markets."""
    multivariate: bool = False
    """Follow combinations of other markets (KXMVE...) too."""
    max_spread_cc: int = Field(default=2_000, ge=1)
    """The widest spread between the best levels."""
    min_depth_centi: int = Field(default=100, ge=0)
    """The smallest size of the thinner best level."""
    min_volume_centi: int = Field(default=0, ge=0)
    """The smallest traded volume."""
    min_time_to_close_s: float = Field(default=60.0, ge=0)
    """A market that closes sooner is not newly selected."""
    leave_factor: float = Field(default=2.0, ge=1)
    """The limits of spread, depth and volume are this many times more generous for a followed market."""
    leave_after_failures: int = Field(default=3, ge=1)
    """A followed market is dropped after failing the filter this many times in a row."""
    displace_factor: float = Field(default=1.5, ge=1)
    """A newcomer replaces a followed market only if its volume is this many times larger."""
    max_excluded: int = Field(default=200, ge=0)
    """The number of never selected markets whose exclusion is published."""

    @model_validator(mode="after")
    def _check_shard(self) -> Self:
        if self.shard >= self.shards:
            raise ValueError(f"shard {self.shard} is not among the {self.shards} shards, which count from 0")
        return self

    def rules(self) -> UniverseRules:
        """Return the filter as the library takes it."""
        return msgspec.convert(self.model_dump(), UniverseRules)


class IngestSettings(Section):
    """Settings of the service. Durations marked *real* are of the monotonic clock, others of the exchange's clock."""

    universe: UniverseSettings = UniverseSettings()
    """The filter by which markets are selected."""
    refresh_s: float = Field(default=15.0, gt=0)
    """Interval between selections of the universe (real)."""
    min_refresh_s: float = Field(default=2.0, gt=0)
    """The same after the exchange reports a new market, or while places are free: the shortest interval (real)."""
    probe_valid_s: float = Field(default=60.0, gt=0)
    """How long a candidate's book, read by REST, is used to judge it."""
    max_probes: int = Field(default=25, ge=1)
    """Candidates' books read by REST per selection: other services need the read budget too."""
    linger_ms: float = Field(default=2.0, ge=0)
    """How long messages are collected before they are published together."""
    state_linger_ms: float = Field(default=0.0, ge=0)
    """How long states of books that stay fresh are collected; execution then takes a book for so much older than it is.
    Over Kafka fewer requests are made for it. A change between fresh and stale is published at once."""
    snapshot_every_s: float = Field(default=2.0, gt=0)
    """Interval between published snapshots of a market whose book or confirmed time changes."""
    idle_probe_s: float = Field(default=1.5, gt=0)
    """After this long without a frame on the book subscription one snapshot is requested, to check that it works."""
    snapshot_timeout_s: float = Field(default=2.0, gt=0)
    """A requested snapshot that has not been received is requested again after this (real)."""
    max_snapshot_requests: int = Field(default=5, ge=1)
    """After this many requests without a snapshot a market is left stale and the retry interval grows. If no other book
    is fresh, the connection is closed and opened again."""
    silence_s: float = Field(default=10.0, gt=0)
    """A connection that delivers no frame for this long is closed and opened again (real)."""
    watch_s: float = Field(default=0.25, gt=0)
    """Interval between checks of the connection's health and of due snapshots."""
    max_backlog: int = Field(default=20_000, ge=1)
    """Messages that may wait for the bus; above this they are replaced by one snapshot per market."""
    max_dead_letters_per_s: int = Field(default=20, ge=1)
    """Undecodable frames published as dead letters; further ones are only counted."""
