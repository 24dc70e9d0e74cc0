"""Recorder: writes an exchange's market data to a folder of capture format 1. It never trades.

Recorded are the frames of books, trades and the life cycle of markets, and the markets' metadata by REST; nothing of an
account.
"""

from __future__ import annotations

from truebook.runtime.context import Context
from truebook.runtime.frames import Feed, Periodic, Service
from truebook_services.recorder.recording import Recording
from truebook_services.recorder.settings import RecorderSettings


def build(context: Context, settings: RecorderSettings, *, recording: Recording) -> Service:
    """Build the service: the composition root. The caller closes the recording's writer afterwards."""
    return Service(
        context,
        (
            Periodic(context, "markets", settings.refresh_s, recording.refresh),
            Feed(context, "market data", recording.session),
        ),
    )
