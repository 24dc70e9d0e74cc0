"""Settings of the recorder: which markets it records."""

from __future__ import annotations

from pydantic import Field

from truebook.runtime.settings import Section


class RecorderSettings(Section):
    """Settings of the recorder; durations are in real time."""

    tickers: tuple[str, ...] = ()
    """Markets to record; empty: every open one, up to ``max_markets``."""
    series: tuple[str, ...] = ()
    """Series whose markets are recorded; empty: all."""
    max_markets: int = Field(default=200, ge=1)
    """Maximum number of markets of a recording; later ones are not added."""
    refresh_s: float = Field(default=5.0, gt=0)
    """Interval at which the list of markets is read by REST."""
