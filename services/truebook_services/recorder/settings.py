"""Settings of the recorder: which markets it records."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RecorderSettings(BaseModel):
    """Settings of the service; durations are real."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tickers: tuple[str, ...] = ()
    """Only these markets; empty records every open one, up to ``most_markets``."""
    series: tuple[str, ...] = ()
    """Only markets of these series; empty allows all."""
    most_markets: int = Field(default=200, ge=1)
    """Once this many have been recorded, no market that opens later is added."""
    refresh_s: float = Field(default=5.0, gt=0)
    """How often the list of markets, with their facts, is read by REST."""
