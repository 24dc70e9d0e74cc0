"""Topic ``services`` (compacted): what each process of a service states about itself, every few seconds."""

from __future__ import annotations

from truebook.messages.envelope import Message


class ServiceReported(Message, frozen=True, kw_only=True, tag="service_reported"):
    """One service of one process; published at once when its readiness changes. ``ticker`` is empty.

    A service whose newest report is older than ``valid_us`` does not run any more, or can't reach Kafka.
    """

    service: str
    instance: str
    """Name of the process: its machine or container, and its process id."""
    version: str
    """Truebook's version."""
    started_us: int
    valid_us: int
    """Time until which a reader may take this report as true; the next one is due well before."""
    not_ready: tuple[str, ...]
    """Every reason why it can't work now; empty: it works."""
    standby: bool
    """Another process has the lease of this service: this one waits."""
    stopped: bool = False
    """Its last report: it was stopped in order."""
    lag: dict[str, int] = {}
    """Unread records by topic, where they are known."""
    gauges: dict[str, int] = {}
    """What ``truebook.runtime.service_reports`` selects of its metrics, with the unit in the name."""
    model: str | None = None
    """The model in use, of a service that has one."""
    model_sha256: str | None = None
