"""The recorded uses of models that a replay follows: ``--model-history``."""

from __future__ import annotations

from pathlib import Path

from truebook.capture.delta_block import DeltaBlock
from truebook.capture.event_types import SkippedFrame
from truebook.capture.events import read_blocks
from truebook.capture.manifest import CaptureError
from truebook.features.plugins import find_layout
from truebook.models.recorded_use import RecordedUses, load_uses
from truebook.models.registry import ModelRegistry
from truebook_services.embedded.settings import EmbeddedSettings


def read_uses(
    settings: EmbeddedSettings, recording: Path, history: Path, *, from_us: int = 0, to_us: int | None = None
) -> RecordedUses:  # fmt: skip
    """Load the models that decided in a window of a recording by a history.

    They are in the registry that the history is of, or in that of the settings. Raises ``HistoryRefused``,
    ``ModelRefused``, ``CaptureError``, and OSError if the history can't be read.
    """
    trades_on = find_layout(settings.observation.layout)
    folders = dict.fromkeys((history.parent, settings.models_path))
    registries = [ModelRegistry(folder, trades_on=trades_on) for folder in folders]
    return load_uses(history, registries, recorded_us=recorded_us(recording), from_us=from_us, to_us=to_us)


def recorded_us(recording: Path) -> tuple[int, int]:
    """Return the time of the first and of the last event; raises ``CaptureError``."""
    first_us: int | None = None
    last_us = 0
    for one in read_blocks(recording):
        if isinstance(one, DeltaBlock):
            at_us, last_us = one.at_us[0], one.at_us[-1]
        elif isinstance(one.event, SkippedFrame):
            continue
        else:
            at_us = last_us = one.at_us
        first_us = at_us if first_us is None else first_us
    if first_us is None:
        raise CaptureError(f"{recording}: no frame of this recording can be applied")
    return first_us, last_us
