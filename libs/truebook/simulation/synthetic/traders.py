"""The synthetic traders: a stream of commands that is a pure function of (seed, markets, start).

Accounts never influence it, so two runs with one seed have the same traders. The stream never ends: a closed market is
determined by its fair value, and a successor opens. Each event draws from a generator of its own, with integers only,
so that a seed gives the same stream on every machine.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import Final

import msgspec

from truebook.simulation.synthetic.fair_value import FairValues
from truebook.simulation.synthetic.market_plan import EventPlan, plan_markets, plan_tickers
from truebook.simulation.synthetic.quoting import CancelId, Maker, Taker
from truebook.simulation.synthetic.trader_events import (
    CloseMoved,
    MarketDetermined,
    MarketOpened,
    QuoteCancelled,
    QuotePlaced,
    TraderEvent,
    apply,
)
from truebook.venue.account import OrderRequest

__all__ = ["EVENTS_PER_MINUTE", "Traders", "apply"]

EVENTS_PER_MINUTE: Final = 54
"""Default commands per minute and market, on average."""

_MAKERS: Final = 2
_VALUE_PERIOD_US: Final = 4_000_000
_MAKER_PERIOD_US: Final = 10_000_000
_TAKER_PERIOD_US: Final = 4_200_000
_COMMAND_GAP_US: Final = 1_000
_DETERMINED_AFTER_US: Final = 200_000
_SUCCESSOR_AFTER_US: Final = 3_000_000
_JUMP_CC: Final = 50
"""A jump of the fair value by this much triggers an informed trade and new quotes at once."""


class TaskKind(StrEnum):
    """The kinds of scheduled decisions; each results in commands."""

    OPEN = "open"
    VALUE = "value"
    MAKER = "maker"
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


class LiveEvent:
    """One event while it is traded: its fair values and its traders."""

    def __init__(self, seed: int, plan: EventPlan, generation: int, open_us: int) -> None:
        self.rng = Random(f"{seed}:event:{plan.index}:{generation}")
        self.generation = generation
        self.close_us = open_us + plan.duration_us(self.rng)
        self.metadata = plan.metadata(generation, open_us, self.close_us)
        self.values = FairValues(self.rng, plan.size)
        self.makers = [
            [
                Maker(f"trader:maker-{number + 1}", one.ticker, one.price_ranges, 100 + 100 * number)
                for number in range(_MAKERS)
            ]
            for one in self.metadata
        ]
        self.takers = [Taker(one.ticker, one.price_ranges) for one in self.metadata]


class Traders:
    """All synthetic traders of one exchange.

    ``markets`` is the number of markets at any time; ``tickers`` names them instead, all long-lived. Raises
    ``ValueError`` for no market, a duplicate ticker or a pace below 1.
    """

    def __init__(
        self,
        seed: int,
        *,
        start_us: int,
        markets: int = 10,
        tickers: Sequence[str] = (),
        events_per_minute: int = EVENTS_PER_MINUTE,
    ) -> None:
        if events_per_minute < 1:
            raise ValueError(f"the pace must be at least 1 event a minute, got {events_per_minute}")
        self._seed = seed
        self._pace = events_per_minute
        self._plans = plan_tickers(tickers) if tickers else plan_markets(markets)
        self._live: dict[int, LiveEvent] = {}
        self._shift_us = 0
        self._last_us = start_us
        self._pushed = 0
        self._calendar: list[tuple[int, int, TraderEvent | Task]] = []
        for plan in self._plans:
            self._push(start_us, Task(TaskKind.OPEN, plan.index, 0))
        self._run_tasks()

    def next_due_us(self) -> int:
        """Return the time of the next command."""
        return self._calendar[0][0] + self._shift_us

    def step(self) -> TraderEvent:
        """Remove and return the next command."""
        due_us, _, event = heapq.heappop(self._calendar)
        assert isinstance(event, TraderEvent)
        self._last_us = due_us
        self._run_tasks()
        return self._shifted(event) if self._shift_us else event

    def shift(self, by_us: int) -> list[TraderEvent]:
        """Shift the rest of the stream by ``by_us``, after a pause of the exchange.

        Returns the commands that move the closes of open markets, to be applied before the exchange's time advances
        past them. Order and content of the stream do not change.
        """
        if by_us < 0:
            raise ValueError(f"the stream cannot be shifted back by {-by_us} us")
        at_us = self._last_us + self._shift_us
        self._shift_us += by_us
        return [
            CloseMoved(at_us=at_us, ticker=market.ticker, close_us=event.close_us + self._shift_us)
            for event in self._live.values()
            if event.close_us > self._last_us
            for market in event.metadata
        ]

    def _shifted(self, event: TraderEvent) -> TraderEvent:
        by_us = self._shift_us
        if isinstance(event, MarketOpened):
            old = event.metadata
            moved = msgspec.structs.replace(old, open_us=old.open_us + by_us, close_us=old.close_us + by_us)
            return MarketOpened(at_us=event.at_us + by_us, metadata=moved)
        return msgspec.structs.replace(event, at_us=event.at_us + by_us)

    # The calendar: tasks are executed until the next entry is a command.

    def _push(self, due_us: int, item: TraderEvent | Task) -> None:
        self._pushed += 1
        heapq.heappush(self._calendar, (due_us, self._pushed, item))

    def _run_tasks(self) -> None:
        while isinstance(self._calendar[0][2], Task):
            due_us, _, task = heapq.heappop(self._calendar)
            assert isinstance(task, Task)
            self._execute(task, due_us)

    def _execute(self, task: Task, now_us: int) -> None:
        if task.kind is TaskKind.OPEN:
            self._open(task, now_us)
            return
        event = self._live[task.plan]
        if task.kind is TaskKind.END:
            self._end(event, task, now_us)
        elif event.generation == task.generation and now_us < event.close_us:
            if task.kind is TaskKind.VALUE:
                self._move_value(event, task, now_us)
            elif task.kind is TaskKind.MAKER:
                maker, fair_cc = event.makers[task.market][task.maker], event.values.fair_cc(task.market)
                self._send(maker.account, maker.requote(fair_cc, event.rng), event, now_us)
            else:
                taker, fair_cc = event.takers[task.market], event.values.fair_cc(task.market)
                self._send(taker.account, [taker.cross(fair_cc, event.rng)], event, now_us)
            if task.recurs:
                self._reschedule(event, task, now_us)

    def _reschedule(self, event: LiveEvent, task: Task, now_us: int) -> None:
        """Schedule a recurring task again: half to one and a half of its period from now."""
        if task.kind is TaskKind.VALUE:
            period_us = _VALUE_PERIOD_US
        else:
            base_us = _MAKER_PERIOD_US if task.kind is TaskKind.MAKER else _TAKER_PERIOD_US
            period_us = max(2, base_us * EVENTS_PER_MINUTE // self._pace)
        self._push(now_us + period_us // 2 + event.rng.randrange(period_us), task)

    def _send(self, account: str, commands: Sequence[CancelId | OrderRequest], event: LiveEvent, now_us: int) -> None:
        """Schedule a trader's commands with a gap between them, as far as they are due before the close."""
        for number, command in enumerate(commands):
            due_us = now_us + number * _COMMAND_GAP_US
            if due_us >= event.close_us:
                return
            if isinstance(command, OrderRequest):
                self._push(due_us, QuotePlaced(at_us=due_us, account=account, request=command))
            else:
                self._push(due_us, QuoteCancelled(at_us=due_us, account=account, client_order_id=command))

    # Opening, moving and ending an event

    def _open(self, task: Task, now_us: int) -> None:
        plan, generation = task.plan, task.generation
        event = self._live[plan] = LiveEvent(self._seed, self._plans[plan], generation, now_us)
        for metadata in event.metadata:
            self._push(now_us, MarketOpened(at_us=now_us, metadata=metadata))
        for market in range(len(event.metadata)):
            for maker in range(_MAKERS):
                first_us = now_us + _COMMAND_GAP_US + event.rng.randrange(200_000)
                self._push(first_us, Task(TaskKind.MAKER, plan, generation, market, maker))
            self._reschedule(event, Task(TaskKind.TAKER, plan, generation, market), now_us)
        self._reschedule(event, Task(TaskKind.VALUE, plan, generation), now_us)
        self._push(event.close_us + _DETERMINED_AFTER_US, Task(TaskKind.END, plan, generation))

    def _move_value(self, event: LiveEvent, task: Task, now_us: int) -> None:
        before_cc = [event.values.fair_cc(market) for market in range(len(event.metadata))]
        if not event.values.step():
            return
        for market, old_cc in enumerate(before_cc):
            fair_cc = event.values.fair_cc(market)
            if abs(fair_cc - old_cc) < _JUMP_CC:
                continue
            if event.rng.randrange(3):
                informed_us = now_us + 20_000 + event.rng.randrange(180_000)
                taker = event.takers[market]
                self._send(taker.account, [taker.pick_off(old_cc, fair_cc, event.rng)], event, informed_us)
            for maker in range(_MAKERS):
                reacts_us = now_us + 200_000 + event.rng.randrange(1_300_000)
                requote = Task(TaskKind.MAKER, task.plan, event.generation, market, maker, recurs=False)
                self._push(reacts_us, requote)

    def _end(self, event: LiveEvent, task: Task, now_us: int) -> None:
        for market, settlement_cc in zip(event.metadata, event.values.draw_settlement(), strict=True):
            self._push(now_us, MarketDetermined(at_us=now_us, ticker=market.ticker, settlement_cc=settlement_cc))
        successor_us = event.close_us + _SUCCESSOR_AFTER_US
        self._push(successor_us, Task(TaskKind.OPEN, task.plan, task.generation + 1))
