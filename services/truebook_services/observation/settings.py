"""Settings of observation: how often a market is looked at, and when it is not. Durations are in exchange time."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ObservationSettings(BaseModel):
    """Settings of the service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: str = "m1"
    """The layout of the vectors; the model must have been made for it."""
    throttle_ms: int = Field(default=250, ge=0)
    """A market is observed at most this often; the last change of a burst always is."""
    release_ms: int = Field(default=20, ge=1)
    """How often changes that waited for the throttle are looked for: the throttle's precision."""
    quiet_s: float = Field(default=5.0, gt=0)
    """A market that does not change is observed this often, when ingest confirms its book."""
    max_book_age_s: float = Field(default=10.0, gt=0)
    """A book that was confirmed longer ago than this gives no observation."""
    near_close_s: float = Field(default=5.0, ge=0)
    """Markets that close sooner are not observed any more."""
    portfolio_s: float = Field(default=2.0, gt=0)
    """How often the positions of all markets are read anew; those of observed markets are read each time."""
    breaker_errors: int = Field(default=5, ge=1)
    breaker_slows: int = Field(default=20, ge=1)
    breaker_window_s: float = Field(default=30.0, gt=0)
    breaker_rest_s: float = Field(default=30.0, gt=0)
    slow_ms: float = Field(default=20.0, gt=0)
    """A vector that takes longer to compute (real time) counts as slow."""
    most_signals: int = Field(default=50_000, ge=1)
    """Signals kept in memory; beyond, expired ones go first, then the oldest."""
