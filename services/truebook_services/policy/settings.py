"""Settings of policy: which model decides, for how long its decisions are valid, and when it is rolled back."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from truebook.clock import MICROS
from truebook.models.guard import GuardRules
from truebook_services.serving.settings import ModelSection


class PolicySettings(ModelSection):
    """Settings of the service."""

    model_config = ConfigDict(extra="forbid")

    shadow: str = ""
    """The registered model that runs as shadow, whichever the registry has; empty follows the registry. A shadow
    never trades. A replay has none."""
    shadow_balance_micros: int = Field(default=1_000_000_000, ge=0)
    """Opening balance of each paper account of a shadow run."""
    shadow_latency_ms: int = Field(default=50, ge=0)
    """Time from a decision to the execution of an order or a cancel in the paper accounts."""
    shadow_throttle_ms: int = Field(default=250, ge=10)
    """Shortest interval between two observations of a market in the paper accounts."""
    max_shadow_share: float = Field(default=0.25, gt=0, le=1)
    """Share of each second that a shadow run may use in policy's process; what does not fit is skipped and counted."""
    shadow_report_s: float = Field(default=5.0, gt=0, le=30)
    """Interval between reports of the shadow run, which `truebook models compare` reads."""
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
