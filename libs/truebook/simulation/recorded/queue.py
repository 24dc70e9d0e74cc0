"""The queue ahead of our orders at one recorded level.

A recording contains a level's total, not its orders. A trade consumes the front of the queue. The position of cancelled
size is unknown, so it is modelled:

| model | cancelled size was |
|---|---|
| ``pessimistic`` | behind us as far as possible: only trades advance us |
| ``realistic`` | evenly spread: ahead of us in proportion to the size ahead of us |
| ``optimistic`` | ahead of us first |

A trade is recorded twice, by its own frame and by the level's decrease, in either order, and counts once: a trade does
not advance us again by what the decrease already advanced us, and a decrease that an earlier trade explains is no
cancellation. ``realistic`` and ``optimistic`` pair the two within ``PAIRED_WITHIN_US``; ``pessimistic`` keeps every
decrease, so that no later trade can count it again.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Final

PAIRED_WITHIN_US: Final = 1_000_000


class QueueModel(StrEnum):
    """Where cancelled size is assumed to have been in the queue; see the module."""

    PESSIMISTIC = "pessimistic"
    REALISTIC = "realistic"
    OPTIMISTIC = "optimistic"


class LevelQueue:
    """One level of one side at which our orders rest."""

    __slots__ = ("_advanced", "_ahead", "_decreased", "_model", "_traded")

    def __init__(self, model: QueueModel) -> None:
        within_us = None if model is QueueModel.PESSIMISTIC else PAIRED_WITHIN_US
        self._model = model
        self._ahead: dict[str, int] = {}
        self._advanced = _Pending(within_us)
        """Size by which decreases advanced us, not yet matched by a trade."""
        self._decreased = _Pending(PAIRED_WITHIN_US)
        """Decreases without a trade so far."""
        self._traded = _Pending(PAIRED_WITHIN_US)
        """Trades without a decrease so far."""

    def __len__(self) -> int:
        return len(self._ahead)

    def ahead(self, order_id: str) -> int:
        """Return the recorded size ahead of our order."""
        return self._ahead[order_id]

    def join(self, order_id: str, displayed_centi: int) -> None:
        """Add our order behind all displayed size."""
        self._ahead[order_id] = displayed_centi

    def leave(self, order_id: str) -> None:
        del self._ahead[order_id]

    def rejoin(self, displayed_centi: int) -> None:
        """Move all our orders behind all displayed size, after frames were lost."""
        self._ahead = dict.fromkeys(self._ahead, displayed_centi)
        for pending in (self._advanced, self._decreased, self._traded):
            pending.clear()

    def cap(self, displayed_centi: int, at_us: int) -> None:
        """Limit the size ahead of each order to the displayed size."""
        self._move({order_id: min(ahead, displayed_centi) for order_id, ahead in self._ahead.items()}, at_us)

    def decrease(self, before_centi: int, displayed_centi: int, at_us: int) -> None:
        """Apply a decrease of the level: the part that no trade explains was cancelled."""
        if self._model is QueueModel.PESSIMISTIC:
            self.cap(displayed_centi, at_us)
            return
        decrease_centi = before_centi - displayed_centi
        traded_centi = self._traded.take(decrease_centi, at_us)
        cancelled_centi, untraded_centi = decrease_centi - traded_centi, before_centi - traded_centi
        self._decreased.add(cancelled_centi, at_us)
        moved = {}
        for order_id, ahead in self._ahead.items():
            left_centi = ahead - self._cancelled_ahead(ahead, cancelled_centi, untraded_centi)
            moved[order_id] = min(left_centi, displayed_centi)
        self._move(moved, at_us)

    def trade(self, size_centi: int, at_us: int) -> int:
        """Apply a trade at this price; returns the part by which decreases have advanced us already."""
        self._traded.add(size_centi - self._decreased.take(size_centi, at_us), at_us)
        return self._advanced.take(size_centi, at_us)

    def consume(self, size_centi: int) -> None:
        """Remove traded size from the front of the queue."""
        self._ahead = {order_id: max(0, ahead - size_centi) for order_id, ahead in self._ahead.items()}

    def _cancelled_ahead(self, ahead_centi: int, cancelled_centi: int, untraded_centi: int) -> int:
        if self._model is QueueModel.OPTIMISTIC:
            return min(ahead_centi, cancelled_centi)
        return cancelled_centi * ahead_centi // untraded_centi if untraded_centi else 0

    def _move(self, ahead: dict[str, int], at_us: int) -> None:
        self._advanced.add(max(self._ahead[order_id] - moved for order_id, moved in ahead.items()), at_us)
        self._ahead = ahead


class _Pending:
    """Amounts seen in one kind of frame and not yet in the other; dropped after ``within_us`` (None: kept)."""

    __slots__ = ("_amounts", "_within_us")

    def __init__(self, within_us: int | None) -> None:
        self._amounts: deque[tuple[int, int]] = deque()
        self._within_us = within_us

    def add(self, centi: int, at_us: int) -> None:
        if centi > 0:
            self._amounts.append((at_us, centi))

    def take(self, max_centi: int, at_us: int) -> int:
        """Remove up to ``max_centi``, oldest first, and return the size removed."""
        taken_centi = 0
        while self._amounts and taken_centi < max_centi:
            seen_us, centi = self._amounts.popleft()
            if self._within_us is not None and seen_us < at_us - self._within_us:
                continue
            part_centi = min(centi, max_centi - taken_centi)
            taken_centi += part_centi
            if part_centi < centi:
                self._amounts.appendleft((seen_us, centi - part_centi))
        return taken_centi

    def clear(self) -> None:
        self._amounts.clear()
