"""Settings of policy: which model decides, and for how long a decision may be carried out."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class PolicySettings(BaseModel):
    """Settings of the service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = ""
    """A model's name in the registry that decides whatever is active there; empty follows the registry."""
    shadow: str = ""
    """A model's name in the registry that decides beside the other one, is counted, and never trades."""
    max_age_s: float = Field(default=5.0, gt=0)
    """A decision may be carried out until its book's confirmed time plus this (exchange time)."""
    switch_s: float = Field(default=1.0, gt=0)
    """How often the registry is asked which model is active."""
    most_batch: int = Field(default=500, ge=1)
    """Observations that are decided by one run of the model."""
