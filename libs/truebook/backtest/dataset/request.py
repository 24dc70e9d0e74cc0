"""What a data set is made of."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from truebook.backtest.engine.settings import EngineSettings
from truebook.backtest.window import Window
from truebook.features.layout import Layout

HORIZONS_S: Final = (1, 10, 60)
MAX_HORIZON_S: Final = 3_600
FILL_S: Final = 60
"""Time for which a joined order rests."""
FILL_SIZE_CENTI: Final = 100


class Label(StrEnum):
    """What a model may learn."""

    MID = "mid"
    FILL = "fill"
    OUTCOME = "outcome"


class DatasetRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One data set. ``settings`` are those of a backtest: they determine when a market is observed."""

    recording: Path
    out: Path
    layout: Layout
    settings: EngineSettings
    window: Window = Window()
    labels: frozenset[Label] = frozenset(Label)
    horizons_s: tuple[int, ...] = HORIZONS_S
    """Rising times after an observation at which the mid price is compared."""
    version: str = ""
    """The version of Truebook, for the file."""

    @property
    def ahead_s(self) -> int:
        """Return for how long after an observation the labels need the recording."""
        horizons_s = self.horizons_s if Label.MID in self.labels else ()
        return max((*horizons_s, FILL_S if Label.FILL in self.labels else 0), default=0)
