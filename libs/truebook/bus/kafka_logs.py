"""Keeps the Kafka client's log readable: while a broker is away it writes the same line dozens of times a second."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

CLIENT: Final = "aiokafka"
EVERY_US: Final = 10_000_000


class Seldom(logging.Filter):
    """Lets each kind of line (its text before the values are put in) pass once per interval, with how many it held."""

    def __init__(self, monotonic_us: Callable[[], int], every_us: int = EVERY_US) -> None:
        super().__init__()
        self._monotonic_us = monotonic_us
        self._every_us = every_us
        self._due_us: dict[str, int] = {}
        self._held: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind, now_us = str(record.msg), self._monotonic_us()
        if now_us < self._due_us.get(kind, 0):
            self._held[kind] = self._held.get(kind, 0) + 1
            return False
        self._due_us[kind] = now_us + self._every_us
        if held := self._held.pop(kind, 0):
            record.msg = f"{kind} (and {held} more like this)"
        return True


def log_seldom(monotonic_us: Callable[[], int]) -> None:
    """Filter all loggers of the client; they exist once its modules have been imported."""
    seldom = Seldom(monotonic_us)
    for name in list(logging.root.manager.loggerDict):
        if name == CLIENT or name.startswith(f"{CLIENT}."):
            logging.getLogger(name).addFilter(seldom)
