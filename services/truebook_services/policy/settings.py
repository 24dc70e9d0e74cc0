"""Settings of policy: which model decides, for how long its decisions are valid, and when it is rolled back."""

from __future__ import annotations

from pydantic import Field

from truebook.clock import MICROS
from truebook.models.guard import GuardRules
from truebook.runtime.settings import Section


class PolicySettings(Section):
    """Settings of the service."""

    model: str = ""
    """The registered model that decides, whichever is active in the registry; empty follows the registry."""
    shadow: str = ""
    """The registered model that runs as shadow, whichever the registry has; empty follows the registry. A shadow
    never trades."""
    max_age_s: float = Field(default=5.0, gt=0)
    """A decision is valid until its book's confirmed time plus this (exchange time)."""
    registry_poll_s: float = Field(default=1.0, gt=0)
    """Interval between reads of the registry's models in use."""
    max_batch: int = Field(default=500, ge=1)
    """Observations decided by one run of the model."""
    max_failures: int | None = Field(default=10, ge=1)
    """This many batches without a usable output within the window roll the model back to the previous one; without one
    it decides nothing more. None: never."""
    failure_window_s: float = Field(default=60.0, gt=0)
    """The window in which failed batches are counted."""
    max_p99_ms: float | None = Field(default=None, gt=0)
    """A model is rolled back if it takes longer than this for more than one batch of a hundred, over the window. None:
    never."""
    latency_window_s: float = Field(default=60.0, gt=0)
    """The window over which the latency is judged; it must hold 100 batches."""

    def guard_rules(self) -> GuardRules:
        return GuardRules(
            max_failures=self.max_failures, failure_window_us=int(self.failure_window_s * MICROS),
            max_p99_us=None if self.max_p99_ms is None else int(self.max_p99_ms * 1000),
            latency_window_us=int(self.latency_window_s * MICROS),
        )  # fmt: skip
