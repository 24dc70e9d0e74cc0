"""The dependencies that every service gets from its composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from truebook.bus.port import Bus
from truebook.clock import Clock
from truebook.messages.envelope import Source
from truebook.messages.identity import Identity
from truebook.runtime.correlation import Correlations
from truebook.runtime.metrics import Metrics


def no_crash(label: str) -> None:
    """Do nothing at a crash point: the default everywhere but in crash tests."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """The shared dependencies of a service. ``log`` is a structlog logger bound to the service's name.

    ``crash`` is called at labelled points where crash tests kill the process; it does nothing otherwise. All services
    of one process share ``correlations``, so that their log lines have the same root.
    """

    service: str
    account: str
    strategy: str
    source: Source
    clock: Clock
    bus: Bus
    metrics: Metrics
    log: Any
    crash: Callable[[str], None] = field(default=no_crash)
    correlations: Correlations = field(default_factory=Correlations)

    @property
    def identity(self) -> Identity:
        """What each message of this system has in common."""
        return Identity(account=self.account, strategy=self.strategy, source=self.source)
