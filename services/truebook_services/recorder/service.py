"""Recorder: writes an exchange's market data to a folder of capture format 1. It never trades.

What is recorded: books, trades and the life cycle of markets, frame by frame as they come, and the facts of the markets
by REST. Nothing of an account.
"""

from __future__ import annotations

from truebook.runtime.context import Context
from truebook.runtime.frames import Feed, Periodic, Service
from truebook_services.recorder.recording import Recording
from truebook_services.recorder.settings import RecorderSettings


def build(context: Context, settings: RecorderSettings, *, recording: Recording) -> Service:
    """Put the service together: the composition root. The caller closes the recording's writer afterwards."""
    return Service(
        context,
        (
            Periodic(context, "markets", settings.refresh_s, recording.refresh),
            Feed(context, "market data", recording.session),
        ),
    )
