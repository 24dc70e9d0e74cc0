"""Settings of the fill listener; every field has a default."""

from __future__ import annotations

from pydantic import Field

from truebook.runtime.settings import Section


class FillListenerSettings(Section):
    """How the account's private events are followed. Times are of the service's clock, those marked *real* of this
    machine's."""

    overlap_s: float = Field(default=60.0, ge=0)
    """Each backfill reads from this long before the watermark, to catch events that became visible late."""
    sweep_s: float = Field(default=5.0, gt=0)
    """Interval of the reads of fills, orders and settlements by REST, in addition to the socket."""
    missed_after_s: float = Field(default=2.0, gt=0)
    """A fill that REST lists and the live socket has not delivered for this long ends the connection."""
    idle_probe_s: float = Field(default=10.0, gt=0)
    """After this long without a frame a request is sent that the exchange must reply to (real)."""
    silence_s: float = Field(default=20.0, gt=0)
    """A connection without a frame for this long is closed (real)."""
    subscribe_timeout_s: float = Field(default=5.0, gt=0)
    """The exchange must confirm the subscriptions within this time (real)."""
    max_buffered_frames: int = Field(default=10_000, ge=1)
    """Frames buffered while a backfill runs; above this the socket itself pushes back. None is dropped."""
    max_known_events: int = Field(default=20_000, ge=100)
    """Events kept as recorded and published, so that a sweep does neither again."""
    max_unpublished_events: int = Field(default=20_000, ge=1)
    """Events queued while Kafka is unavailable; further ones are published after a later sweep."""
