"""Settings of observation: how often a market is observed, and when it is not. Durations are in exchange time."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from truebook.clock import MICROS
from truebook.observation.builder import ObservationLimits
from truebook_services.serving.settings import LayoutSection


class ObservationSettings(LayoutSection):
    """Settings of the service."""

    model_config = ConfigDict(extra="forbid")

    throttle_ms: int = Field(default=250, ge=0)
    """The shortest interval between two observations of a market; the last change of a burst is always observed."""
    release_ms: int = Field(default=20, ge=1)
    """Interval between checks for throttled changes that are due: the throttle's precision."""
    idle_interval_s: float = Field(default=5.0, gt=0)
    """A market whose book does not change is observed this often, when a snapshot confirms it."""
    max_book_age_s: float = Field(default=10.0, gt=0)
    """A book whose confirmed time is older gives no observation."""
    near_close_s: float = Field(default=5.0, ge=0)
    """A market that closes sooner is not observed."""
    portfolio_refresh_s: float = Field(default=2.0, gt=0)
    """Interval between reads of all positions; those of observed markets are read with each observation."""
    breaker_errors: int = Field(default=5, ge=1)
    """This many failed feature computations of a market within the window open its breaker."""
    breaker_slow_calls: int = Field(default=20, ge=1)
    """This many slow feature computations of a market within the window open its breaker."""
    breaker_window_s: float = Field(default=30.0, gt=0)
    """The window in which failed and slow computations are counted."""
    breaker_cooldown_s: float = Field(default=30.0, gt=0)
    """A market whose breaker is open is not observed for this long."""
    slow_ms: float = Field(default=20.0, gt=0)
    """A vector that takes longer to compute (real time) is slow."""
    max_signals: int = Field(default=50_000, ge=1)
    """Signals kept in memory; above this expired ones are dropped first, then the oldest."""

    def limits(self) -> ObservationLimits:
        return ObservationLimits(
            max_book_age_us=int(self.max_book_age_s * MICROS), near_close_us=int(self.near_close_s * MICROS)
        )
