"""Settings of policy: which model decides, and for how long its decisions are valid."""

from __future__ import annotations

from pydantic import Field

from truebook.runtime.settings import Section


class PolicySettings(Section):
    """Settings of the service."""

    model: str = ""
    """The registered model that decides, whichever is active in the registry; empty follows the registry."""
    shadow: str = ""
    """A registered model whose decisions are compared with the first one's and counted; it never trades."""
    max_age_s: float = Field(default=5.0, gt=0)
    """A decision is valid until its book's confirmed time plus this (exchange time)."""
    registry_poll_s: float = Field(default=1.0, gt=0)
    """Interval between reads of the registry's active model."""
    max_batch: int = Field(default=500, ge=1)
    """Observations decided by one run of the model."""
