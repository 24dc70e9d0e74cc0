"""One event of the preset ``easy``: few changes, makers that move slowly, takers of whom few are informed.

It is for demonstrations. Who joins its best prices earns, since most takers know nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from truebook.simulation.synthetic.calendar import Calendar, Task, TaskKind
from truebook.simulation.synthetic.fair_value import FairValues
from truebook.simulation.synthetic.market_plan import EventPlan
from truebook.simulation.synthetic.quoting import CancelId, Maker, Taker, maker_account
from truebook.venue.account import OrderRequest

EVENTS_PER_MINUTE: Final = 54
"""Default commands per minute and market, on average."""

_MAKERS: Final = 2
_VALUE_PERIOD_US: Final = 4_000_000
_MAKER_PERIOD_US: Final = 10_000_000
_TAKER_PERIOD_US: Final = 4_200_000
_COMMAND_GAP_US: Final = 1_000
_JUMP_CC: Final = 50
"""A jump of the fair value by this much triggers an informed trade and new quotes at once."""


class EasyEvent:
    """The traders of one event while it is traded; its decisions are scheduled on the given calendar."""

    def __init__(self, seed: int, plan: EventPlan, generation: int, open_us: int, *, pace: int) -> None:
        self._rng = Random(f"{seed}:event:{plan.index}:{generation}")
        self._plan = plan.index
        self._pace = pace
        self.generation = generation
        self.close_us = open_us + plan.duration_us(self._rng)
        self.metadata = plan.metadata(generation, open_us, self.close_us)
        self._values = FairValues(self._rng, plan.size)
        self._makers = [
            [
                Maker(maker_account(number), one.ticker, one.price_ranges, 100 + 100 * number)
                for number in range(_MAKERS)
            ]
            for one in self.metadata
        ]
        self._takers = [Taker(one.ticker, one.price_ranges) for one in self.metadata]

    def begin(self, calendar: Calendar, now_us: int) -> None:
        """Schedule the first decisions."""
        for market in range(len(self.metadata)):
            for maker in range(_MAKERS):
                first_us = now_us + _COMMAND_GAP_US + self._rng.randrange(200_000)
                calendar.push(first_us, Task(TaskKind.MAKER, self._plan, self.generation, market, maker))
            self._reschedule(calendar, Task(TaskKind.TAKER, self._plan, self.generation, market), now_us)
        self._reschedule(calendar, Task(TaskKind.VALUE, self._plan, self.generation), now_us)

    def decide(self, calendar: Calendar, task: Task, now_us: int) -> None:
        """Make one decision, and schedule it again if it recurs."""
        if task.kind is TaskKind.VALUE:
            self._move_value(calendar, now_us)
        elif task.kind is TaskKind.MAKER:
            maker, fair_cc = self._makers[task.market][task.maker], self._values.fair_cc(task.market)
            self._send(calendar, maker.account, maker.requote(fair_cc, self._rng), now_us)
        else:
            taker, fair_cc = self._takers[task.market], self._values.fair_cc(task.market)
            self._send(calendar, taker.account, [taker.cross(fair_cc, self._rng)], now_us)
        if task.recurs:
            self._reschedule(calendar, task, now_us)

    def hidden_price_cc(self, market: int) -> int:
        return self._values.fair_cc(market)

    def draw_settlement(self) -> list[int]:
        return self._values.draw_settlement()

    def _reschedule(self, calendar: Calendar, task: Task, now_us: int) -> None:
        """Schedule a recurring task again: half to one and a half of its period from now."""
        if task.kind is TaskKind.VALUE:
            period_us = _VALUE_PERIOD_US
        else:
            base_us = _MAKER_PERIOD_US if task.kind is TaskKind.MAKER else _TAKER_PERIOD_US
            period_us = max(2, base_us * EVENTS_PER_MINUTE // self._pace)
        calendar.push(now_us + period_us // 2 + self._rng.randrange(period_us), task)

    def _send(self, calendar: Calendar, account: str, commands: Sequence[CancelId | OrderRequest], now_us: int) -> None:
        due_us = range(now_us, now_us + len(commands) * _COMMAND_GAP_US, _COMMAND_GAP_US)
        calendar.push_commands(account, commands, due_us, self.close_us)

    def _move_value(self, calendar: Calendar, now_us: int) -> None:
        before_cc = [self._values.fair_cc(market) for market in range(len(self.metadata))]
        if not self._values.step():
            return
        for market, old_cc in enumerate(before_cc):
            fair_cc = self._values.fair_cc(market)
            if abs(fair_cc - old_cc) < _JUMP_CC:
                continue
            if self._rng.randrange(3):
                informed_us = now_us + 20_000 + self._rng.randrange(180_000)
                taker = self._takers[market]
                self._send(calendar, taker.account, [taker.pick_off(old_cc, fair_cc, self._rng)], informed_us)
            for maker in range(_MAKERS):
                reacts_us = now_us + 200_000 + self._rng.randrange(1_300_000)
                requote = Task(TaskKind.MAKER, self._plan, self.generation, market, maker, recurs=False)
                calendar.push(reacts_us, requote)
