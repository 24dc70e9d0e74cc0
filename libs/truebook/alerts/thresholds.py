"""From when on a condition is one, and how often it is notified."""

from __future__ import annotations

from datetime import UTC, tzinfo

import msgspec

from truebook.clock import MICROS

MINUTE_US = 60 * MICROS
HOUR_US = 60 * MINUTE_US


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the rules; durations in microseconds of exchange time."""

    services: tuple[str, ...] = ("ingest", "observation", "policy", "execution", "fill_listener", "reconciler")
    """Services that have to run."""
    order_unknown_us: int = 2 * MINUTE_US
    difference_us: int = MINUTE_US
    hold_us: int = MINUTE_US
    loss_near_percent: int = 80
    """Share of a limit of losses from which on it is near."""
    stale_feed_us: int = MINUTE_US
    service_down_us: int = MINUTE_US
    service_not_ready_us: int = 2 * MINUTE_US
    unreadable_us: int = MINUTE_US
    no_order_us: int | None = None
    """None: this is not watched."""
    disk_free_percent: int = 10
    window_us: int = 10 * MINUTE_US
    """How long failures of inference and dead letters are counted."""
    zone: tzinfo = UTC
    """Time zone of the times in texts, and of the digest's hour."""


class Pacing(msgspec.Struct, frozen=True, kw_only=True):
    """How often an operator is notified; durations in microseconds of exchange time."""

    repeat_us: int | None = 4 * HOUR_US
    """An alert that lasts is repeated after this time; None: never."""
    clear_us: int = 30 * MICROS
    """A condition has to be gone for this long before the all-clear."""
    max_per_hour: int = 20
    """Notifications in an hour, without the digest; notices may take half of them."""
    digest_hour: int | None = 8
    """Hour of the daily digest; None: no digest."""
    zone: tzinfo = UTC
