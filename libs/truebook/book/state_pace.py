"""How often the state of a market's book is published: pure, the same for ingest and a backtest.

A book's state (fresh or stale, and when the exchange last confirmed it) is needed by readers that judge ages of seconds
and keep no book. Not each change of the book is worth one: the newest published confirmation is at most ``EVERY_US``
older than that of the book. A change between fresh and stale is published at once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

EVERY_US: Final = 250_000
"""The shortest interval between two states of a fresh book."""
NOT_PUBLISHED: Final = 0
"""The time of publication of a book without a state as fresh, also after a stale one: the next is due at once."""


def is_due(published_us: int, now_us: int) -> bool:
    """Return whether a fresh book's state is published again; a clock that was set back delays nothing."""
    return not 0 <= now_us - published_us < EVERY_US


def last_due(published_us: int, changes_us: Sequence[int]) -> int:
    """Return when the state was last published after changes of a fresh book at these times, in ascending order."""
    number = 0
    while (number := bisect_left(changes_us, published_us + EVERY_US, number)) < len(changes_us):
        published_us = changes_us[number]
    return published_us
