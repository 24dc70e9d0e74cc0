"""Settings of alerts: the receivers, from when on a condition is one, and how often it is notified."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import Field

from truebook.alerts.thresholds import Pacing, Thresholds
from truebook.clock import MICROS
from truebook.runtime.settings import Section
from truebook.runtime.time_zones import TimeZoneName


class AlertsSettings(Section):
    """Settings of the service; without ``receivers_file`` it is off."""

    receivers_file: Path | None = None
    """File with the addresses of the receivers, one in a line, each with an optional name before it: see alerts.md. The
    addresses contain passwords and tokens. None: no alerts."""
    services: tuple[str, ...] = Thresholds().services
    """Services that have to run."""
    check_s: float = Field(default=5.0, gt=0)
    """Interval between checks of all rules."""
    order_unknown_s: float = Field(default=120.0, ge=0)
    """An order whose outcome is unknown for longer is an alert."""
    difference_s: float = Field(default=60.0, ge=0)
    """A difference between ledger and exchange that lasts for longer is an alert."""
    hold_s: float = Field(default=60.0, ge=0)
    """A trading hold that lasts for longer is an alert."""
    loss_near_percent: int = Field(default=80, ge=1, le=100)
    """Share of ``limits.daily_loss_micros`` and ``limits.drawdown_micros`` from which on a loss is an alert."""
    stale_feed_s: float = Field(default=60.0, ge=0)
    """No fresh order book for longer, while markets are selected, is an alert."""
    service_down_s: float = Field(default=60.0, ge=20)
    """A service without a valid report for longer is an alert; reports are up to ten seconds apart."""
    service_not_ready_s: float = Field(default=120.0, ge=0)
    """A service that runs and can't work for longer is an alert."""
    ledger_unreadable_s: float = Field(default=60.0, ge=0)
    """A ledger that can't be read for longer is an alert."""
    no_order_s: float | None = Field(default=86_400.0, gt=0)
    """No order for longer is an alert. None: never."""
    disk_free_percent: int = Field(default=10, ge=0, le=99)
    """Less free space on the disk of the state folder is an alert."""
    window_s: float = Field(default=600.0, gt=0)
    """Failed inferences and dead letters are an alert for this long."""
    repeat_s: float | None = Field(default=14_400.0, gt=0)
    """An alert that lasts is repeated at this interval. None: never."""
    clear_s: float = Field(default=30.0, ge=0)
    """A condition has to be gone for this long before the all-clear."""
    max_per_hour: int = Field(default=20, ge=2)
    """Notifications in an hour, half of them for notices; further ones are collected and reported together."""
    digest_hour: int | None = Field(default=8, ge=0, le=23)
    """Hour of the daily digest. None: no digest."""
    time_zone: TimeZoneName = "UTC"
    """Time zone of the digest's hour and of the times in alerts."""
    send_timeout_s: float = Field(default=20.0, gt=0, le=120)
    """A receiver that does not accept a message within this time is retried later."""
    max_pending: int = Field(default=200, ge=10)
    """Notifications that wait for one receiver; beyond it the oldest notices are dropped first."""

    def thresholds(self) -> Thresholds:
        return Thresholds(
            services=self.services,
            order_unknown_us=_us(self.order_unknown_s),
            difference_us=_us(self.difference_s),
            hold_us=_us(self.hold_s),
            loss_near_percent=self.loss_near_percent,
            stale_feed_us=_us(self.stale_feed_s),
            service_down_us=_us(self.service_down_s),
            service_not_ready_us=_us(self.service_not_ready_s),
            unreadable_us=_us(self.ledger_unreadable_s),
            no_order_us=None if self.no_order_s is None else _us(self.no_order_s),
            disk_free_percent=self.disk_free_percent,
            window_us=_us(self.window_s),
            zone=ZoneInfo(self.time_zone),
        )

    def pacing(self) -> Pacing:
        return Pacing(
            repeat_us=None if self.repeat_s is None else _us(self.repeat_s),
            clear_us=_us(self.clear_s),
            max_per_hour=self.max_per_hour,
            digest_hour=self.digest_hour,
            zone=ZoneInfo(self.time_zone),
        )


def _us(seconds: float) -> int:
    return int(seconds * MICROS)
