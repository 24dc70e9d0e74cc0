"""Rate-limit the Kafka client's log: while a broker is down it writes the same line dozens of times a second."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

CLIENT: Final = "aiokafka"
EVERY_US: Final = 10_000_000


class RateLimitFilter(logging.Filter):
    """Passes each line (by its format string) once per interval, with the number of suppressed ones."""

    def __init__(self, monotonic_us: Callable[[], int], every_us: int = EVERY_US) -> None:
        super().__init__()
        self._monotonic_us = monotonic_us
        self._every_us = every_us
        self._due_us: dict[str, int] = {}
        self._suppressed: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind, now_us = str(record.msg), self._monotonic_us()
        if now_us < self._due_us.get(kind, 0):
            self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
            return False
        self._due_us[kind] = now_us + self._every_us
        if suppressed := self._suppressed.pop(kind, 0):
            record.msg = f"{kind} (and {suppressed} more like this)"
        return True


def limit_log_rate(monotonic_us: Callable[[], int]) -> None:
    """Add the filter to all loggers of the client; its modules must have been imported."""
    limit = RateLimitFilter(monotonic_us)
    for name in list(logging.root.manager.loggerDict):
        if name == CLIENT or name.startswith(f"{CLIENT}."):
            logging.getLogger(name).addFilter(limit)
