"""Settings of the fill listener; every field has a default."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FillListenerSettings(BaseModel):
    """How the account's private news are followed. Times are of the service's clock, unless they say *real*."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    overlap_s: float = Field(default=60.0, ge=0)
    """Each backfill reads from so long before the watermark: news that became visible late are caught."""
    sweep_s: float = Field(default=5.0, gt=0)
    """How often fills, orders and settlements are read by REST beside the socket, as a safety net."""
    missed_after_s: float = Field(default=2.0, gt=0)
    """A fill that REST shows and the live socket has not told for so long means: the socket is deaf, connect anew."""
    quiet_s: float = Field(default=10.0, gt=0)
    """After so long without a frame the exchange is asked for a sign of life (real)."""
    silence_s: float = Field(default=20.0, gt=0)
    """After so long without a frame the connection is given up (real)."""
    subscribed_within_s: float = Field(default=5.0, gt=0)
    """The exchange must confirm the subscriptions within this (real)."""
    most_waiting: int = Field(default=10_000, ge=1)
    """Frames that may wait while a backfill runs; then the socket itself pushes back. Nothing is dropped."""
    most_remembered: int = Field(default=20_000, ge=100)
    """Fills that are remembered as told, so that a sweep neither books nor publishes them again."""
    most_untold: int = Field(default=20_000, ge=1)
    """News that may wait for the bus while it is away; what comes on top is told after a later sweep."""
