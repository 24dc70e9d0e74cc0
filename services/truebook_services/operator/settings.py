"""Settings of the operator's API."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class OperatorSettings(BaseModel):
    """The API listens on loopback only; its address and token are told by a file in the state folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(default=0, ge=0, le=65_535)
    """0 takes any free port."""
    cancel_within_s: float = Field(default=10.0, gt=0)
    """How long a halt waits for the exchange to confirm the cancellation of all orders."""
