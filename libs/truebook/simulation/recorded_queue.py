"""The queue before our orders at one recorded level: who of those displayed still stands ahead of us.

A recording shows a level's total, not who is in it. What a trade takes off stood in front. Whose size was cancelled is
not told, so it is assumed, by the model:

| model | a cancellation comes from |
|---|---|
| ``pessimistic`` | behind us, until nobody is left there: only trades bring us forward |
| ``realistic`` | anywhere alike: ahead of us in proportion to what stands ahead of us |
| ``optimistic`` | ahead of us first |

A trade is told twice, by its own frame and by the level that shrinks, in either order. Each is counted once: a trade
that the display has told before moves nothing that the shrinking has moved already, and a shrinking that a trade has
explained before is no cancellation. ``realistic`` and ``optimistic`` bring the two together within ``TOLD_WITHIN_US``;
``pessimistic`` never forgets a shrinking, so that no later trade can count it again.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Final

TOLD_WITHIN_US: Final = 1_000_000


class QueueModel(StrEnum):
    """Whose size a cancellation is taken to be; see the module."""

    PESSIMISTIC = "pessimistic"
    REALISTIC = "realistic"
    OPTIMISTIC = "optimistic"


class LevelQueue:
    """One level of one side at which own orders rest."""

    __slots__ = ("_ahead", "_cut", "_model", "_shrunk", "_traded")

    def __init__(self, model: QueueModel) -> None:
        within_us = None if model is QueueModel.PESSIMISTIC else TOLD_WITHIN_US
        self._model = model
        self._ahead: dict[str, int] = {}
        self._cut = _Untold(within_us)
        """How far the display has brought us forward: a trade told only afterwards does not count again."""
        self._shrunk = _Untold(TOLD_WITHIN_US)
        """What left the display for a reason not told yet."""
        self._traded = _Untold(TOLD_WITHIN_US)
        """What was traded, but is displayed still."""

    def __len__(self) -> int:
        return len(self._ahead)

    def ahead(self, order_id: str) -> int:
        """Give the recorded size that stands before an own order."""
        return self._ahead[order_id]

    def stand(self, order_id: str, displayed_centi: int) -> None:
        """Put an own order behind all that is displayed."""
        self._ahead[order_id] = displayed_centi

    def leave(self, order_id: str) -> None:
        del self._ahead[order_id]

    def stand_anew(self, displayed_centi: int) -> None:
        """Put every own order behind all that is displayed: what happened meanwhile was not seen."""
        self._ahead = dict.fromkeys(self._ahead, displayed_centi)
        for told in (self._cut, self._shrunk, self._traded):
            told.clear()

    def cap(self, displayed_centi: int, at_us: int) -> None:
        """Let no more stand before an order than is displayed."""
        self._move({order_id: min(ahead, displayed_centi) for order_id, ahead in self._ahead.items()}, at_us)

    def shrink(self, before_centi: int, displayed_centi: int, at_us: int) -> None:
        """Take note that the level shrank: what no trade has explained was cancelled."""
        if self._model is QueueModel.PESSIMISTIC:
            self.cap(displayed_centi, at_us)
            return
        gone_centi = before_centi - displayed_centi
        explained_centi = self._traded.take(gone_centi, at_us)
        cancelled_centi, stood_centi = gone_centi - explained_centi, before_centi - explained_centi
        self._shrunk.add(cancelled_centi, at_us)
        moved = {}
        for order_id, ahead in self._ahead.items():
            left_centi = ahead - self._cancelled_ahead(ahead, cancelled_centi, stood_centi)
            moved[order_id] = min(left_centi, displayed_centi)
        self._move(moved, at_us)

    def trade(self, size_centi: int, at_us: int) -> int:
        """Take note of a trade at this price; gives how much of it the display has let us move forward already."""
        told_centi = self._shrunk.take(size_centi, at_us)
        self._traded.add(size_centi - told_centi, at_us)
        return self._cut.take(size_centi, at_us)

    def work_off(self, worked_centi: int) -> None:
        """Let a trade take that much off the front."""
        self._ahead = {order_id: max(0, ahead - worked_centi) for order_id, ahead in self._ahead.items()}

    def _cancelled_ahead(self, ahead_centi: int, cancelled_centi: int, stood_centi: int) -> int:
        if self._model is QueueModel.OPTIMISTIC:
            return min(ahead_centi, cancelled_centi)
        return cancelled_centi * ahead_centi // stood_centi if stood_centi else 0

    def _move(self, ahead: dict[str, int], at_us: int) -> None:
        self._cut.add(max(self._ahead[order_id] - moved for order_id, moved in ahead.items()), at_us)
        self._ahead = ahead


class _Untold:
    """Amounts that one kind of frame has told and the other has not yet; they are forgotten after a while."""

    __slots__ = ("_amounts", "_within_us")

    def __init__(self, within_us: int | None) -> None:
        self._amounts: deque[tuple[int, int]] = deque()
        self._within_us = within_us

    def add(self, centi: int, at_us: int) -> None:
        if centi > 0:
            self._amounts.append((at_us, centi))

    def take(self, most_centi: int, at_us: int) -> int:
        """Take up to that much, oldest first; gives how much there was."""
        taken_centi = 0
        while self._amounts and taken_centi < most_centi:
            told_us, centi = self._amounts.popleft()
            if self._within_us is not None and told_us < at_us - self._within_us:
                continue
            part_centi = min(centi, most_centi - taken_centi)
            taken_centi += part_centi
            if part_centi < centi:
                self._amounts.appendleft((told_us, centi - part_centi))
        return taken_centi

    def clear(self) -> None:
        self._amounts.clear()
