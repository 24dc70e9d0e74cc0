"""The calendar of the synthetic traders: commands, and decisions that result in commands when they are due."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from truebook.simulation.synthetic.quoting import CancelId
from truebook.simulation.synthetic.trader_events import QuoteCancelled, QuotePlaced, TraderEvent
from truebook.venue.account import OrderRequest


class TaskKind(StrEnum):
    """The kinds of scheduled decisions; each results in commands."""

    OPEN = "open"
    VALUE = "value"
    MAKER = "maker"
    FLICKER = "flicker"
    TAKER = "taker"
    END = "end"


class Task(msgspec.Struct, frozen=True):
    """A scheduled decision for one generation of an event plan: for which of its markets and makers."""

    kind: TaskKind
    plan: int
    generation: int
    market: int = 0
    maker: int = 0
    recurs: bool = True


class Calendar:
    """What is scheduled, by time and, at one time, in the order of scheduling."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, TraderEvent | Task]] = []
        self._pushed = 0

    def push(self, due_us: int, item: TraderEvent | Task) -> None:
        self._pushed += 1
        heapq.heappush(self._entries, (due_us, self._pushed, item))

    def pop(self) -> tuple[int, TraderEvent | Task]:
        due_us, _, item = heapq.heappop(self._entries)
        return due_us, item

    def next_due_us(self) -> int:
        return self._entries[0][0]

    def task_is_next(self) -> bool:
        return isinstance(self._entries[0][2], Task)

    def push_commands(
        self, account: str, commands: Sequence[CancelId | OrderRequest], due_us: Sequence[int], close_us: int
    ) -> None:
        """Schedule a trader's commands at these times, as far as they are due before the close."""
        for command, at_us in zip(commands, due_us, strict=True):
            if at_us >= close_us:
                return
            if isinstance(command, OrderRequest):
                self.push(at_us, QuotePlaced(at_us=at_us, account=account, request=command))
            else:
                self.push(at_us, QuoteCancelled(at_us=at_us, account=account, client_order_id=command))
