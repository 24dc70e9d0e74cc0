"""The synthetic traders: a stream of commands that is a pure function of (seed, markets, start).

What accounts do never changes it, so two runs with one seed meet the same traders. The stream never ends: where a
market closes, it is determined by its hidden value, and a successor opens in its place. Each place for events draws
from generators of its own, with integers only, so that a seed gives the same stream on every machine.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import Final

import msgspec

from truebook.simulation.fair_value import FairValues
from truebook.simulation.market_plan import EventPlan, plan_markets, plan_tickers
from truebook.simulation.quoting import Cancel, Maker, Place, Taker
from truebook.simulation.trader_events import (
    CloseMoved,
    MarketDetermined,
    MarketOpened,
    QuoteCancelled,
    QuotePlaced,
    TraderEvent,
    apply,
)

__all__ = ["EVENTS_PER_MINUTE", "Traders", "apply"]

EVENTS_PER_MINUTE: Final = 54
"""Commands per minute and market, on the average, where nothing else is asked for."""

_MAKERS: Final = 2
_VALUE_PERIOD_US: Final = 4_000_000
_MAKER_PERIOD_US: Final = 10_000_000
_TAKER_PERIOD_US: Final = 4_200_000
_COMMAND_GAP_US: Final = 1_000
_DETERMINED_AFTER_US: Final = 200_000
_SUCCESSOR_AFTER_US: Final = 3_000_000
_MOVED_CC: Final = 50
"""A jump of the value by this much is worth an informed trade and new quotes at once."""


class Task(StrEnum):
    """What the traders think about when its time has come; commands come of it."""

    OPEN = "open"
    VALUE = "value"
    MAKER = "maker"
    TAKER = "taker"
    END = "end"


class Thought(msgspec.Struct, frozen=True):
    """A task in one place for events: which generation of it, which of its markets, which maker."""

    task: Task
    place: int
    generation: int
    market: int = 0
    maker: int = 0
    recurs: bool = True


class LiveEvent:
    """One event while it is traded: its hidden values and its traders."""

    def __init__(self, seed: int, plan: EventPlan, generation: int, open_us: int) -> None:
        self.rng = Random(f"{seed}:event:{plan.index}:{generation}")
        self.generation = generation
        self.close_us = open_us + plan.life_us(self.rng)
        self.facts = plan.facts(generation, open_us, self.close_us)
        self.values = FairValues(self.rng, plan.size)
        self.makers = [
            [
                Maker(f"trader:maker-{number + 1}", one.ticker, one.price_ranges, 100 + 100 * number)
                for number in range(_MAKERS)
            ]
            for one in self.facts
        ]
        self.takers = [Taker(one.ticker, one.price_ranges) for one in self.facts]


class Traders:
    """All synthetic traders of one exchange.

    ``markets`` is the number of markets at any time; or ``tickers`` names them, then all are long-lived. Raises
    ``ValueError`` for no market, a ticker named twice or a pace below 1.
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
        self._calendar: list[tuple[int, int, TraderEvent | Thought]] = []
        for plan in self._plans:
            self._push(start_us, Thought(Task.OPEN, plan.index, 0))
        self._think()

    def next_due_us(self) -> int:
        """Give the time of the next command."""
        return self._calendar[0][0] + self._shift_us

    def step(self) -> TraderEvent:
        """Give the next command."""
        due_us, _, event = heapq.heappop(self._calendar)
        assert isinstance(event, TraderEvent)
        self._last_us = due_us
        self._think()
        return self._shifted(event) if self._shift_us else event

    def shift(self, by_us: int) -> list[TraderEvent]:
        """Let all that is still to come happen ``by_us`` later: after a pause of the exchange.

        Answers the commands that move the open markets' closes along, to be applied before the exchange's time
        advances past them. The order and content of the stream stay the same.
        """
        if by_us < 0:
            raise ValueError(f"the stream can't be moved back by {-by_us} us")
        at_us = self._last_us + self._shift_us
        self._shift_us += by_us
        return [
            CloseMoved(at_us=at_us, ticker=facts.ticker, close_us=event.close_us + self._shift_us)
            for event in self._live.values()
            if event.close_us > self._last_us
            for facts in event.facts
        ]

    def _shifted(self, event: TraderEvent) -> TraderEvent:
        by_us = self._shift_us
        if isinstance(event, MarketOpened):
            facts = event.facts
            moved = msgspec.structs.replace(facts, open_us=facts.open_us + by_us, close_us=facts.close_us + by_us)
            return MarketOpened(at_us=event.at_us + by_us, facts=moved)
        return msgspec.structs.replace(event, at_us=event.at_us + by_us)

    # The calendar: thoughts become commands until the next thing due is a command.

    def _push(self, due_us: int, item: TraderEvent | Thought) -> None:
        self._pushed += 1
        heapq.heappush(self._calendar, (due_us, self._pushed, item))

    def _think(self) -> None:
        while isinstance(self._calendar[0][2], Thought):
            due_us, _, thought = heapq.heappop(self._calendar)
            assert isinstance(thought, Thought)
            self._carry_out(thought, due_us)

    def _carry_out(self, thought: Thought, now_us: int) -> None:
        if thought.task is Task.OPEN:
            self._open(thought, now_us)
            return
        event = self._live[thought.place]
        if thought.task is Task.END:
            self._end(event, thought, now_us)
        elif event.generation == thought.generation and now_us < event.close_us:
            if thought.task is Task.VALUE:
                self._move_value(event, thought, now_us)
            elif thought.task is Task.MAKER:
                fair_cc = event.values.fair_cc(thought.market)
                commands = event.makers[thought.market][thought.maker].requote(fair_cc, event.rng)
                self._command(commands, event, now_us)
            else:
                self._command(
                    [event.takers[thought.market].cross(event.values.fair_cc(thought.market), event.rng)], event, now_us
                )
            if thought.recurs:
                self._again(event, thought, now_us)

    def _again(self, event: LiveEvent, thought: Thought, now_us: int) -> None:
        """Put a recurring thought on the calendar: half to one and a half of its period from now."""
        if thought.task is Task.VALUE:
            period_us = _VALUE_PERIOD_US
        else:
            base_us = _MAKER_PERIOD_US if thought.task is Task.MAKER else _TAKER_PERIOD_US
            period_us = max(2, base_us * EVENTS_PER_MINUTE // self._pace)
        self._push(now_us + period_us // 2 + event.rng.randrange(period_us), thought)

    def _command(self, commands: Sequence[Cancel | Place], event: LiveEvent, now_us: int) -> None:
        for number, command in enumerate(commands):
            due_us = now_us + number * _COMMAND_GAP_US
            if due_us >= event.close_us:
                return
            if isinstance(command, Place):
                self._push(due_us, QuotePlaced(at_us=due_us, account=command.account, request=command.request))
            else:
                client_order_id = command.client_order_id
                self._push(
                    due_us, QuoteCancelled(at_us=due_us, account=command.account, client_order_id=client_order_id)
                )

    # The life of an event

    def _open(self, thought: Thought, now_us: int) -> None:
        place, generation = thought.place, thought.generation
        event = self._live[place] = LiveEvent(self._seed, self._plans[place], generation, now_us)
        for facts in event.facts:
            self._push(now_us, MarketOpened(at_us=now_us, facts=facts))
        for market in range(len(event.facts)):
            for maker in range(_MAKERS):
                first_us = now_us + _COMMAND_GAP_US + event.rng.randrange(200_000)
                self._push(first_us, Thought(Task.MAKER, place, generation, market, maker))
            self._again(event, Thought(Task.TAKER, place, generation, market), now_us)
        self._again(event, Thought(Task.VALUE, place, generation), now_us)
        self._push(event.close_us + _DETERMINED_AFTER_US, Thought(Task.END, place, generation))

    def _move_value(self, event: LiveEvent, thought: Thought, now_us: int) -> None:
        before_cc = [event.values.fair_cc(market) for market in range(len(event.facts))]
        if not event.values.step():
            return
        for market, old_cc in enumerate(before_cc):
            fair_cc = event.values.fair_cc(market)
            if abs(fair_cc - old_cc) < _MOVED_CC:
                continue
            if event.rng.randrange(3):
                informed_us = now_us + 20_000 + event.rng.randrange(180_000)
                self._command([event.takers[market].pick_off(old_cc, fair_cc, event.rng)], event, informed_us)
            for maker in range(_MAKERS):
                reacts_us = now_us + 200_000 + event.rng.randrange(1_300_000)
                again = Thought(Task.MAKER, thought.place, event.generation, market, maker, recurs=False)
                self._push(reacts_us, again)

    def _end(self, event: LiveEvent, thought: Thought, now_us: int) -> None:
        for facts, settlement_cc in zip(event.facts, event.values.draw_settlement(), strict=True):
            self._push(now_us, MarketDetermined(at_us=now_us, ticker=facts.ticker, settlement_cc=settlement_cc))
        successor_us = event.close_us + _SUCCESSOR_AFTER_US
        self._push(successor_us, Thought(Task.OPEN, thought.place, thought.generation + 1))
