"""The synthetic traders: a stream of commands that is a pure function of (seed, markets, start, preset).

Accounts never influence it, so two runs with one seed have the same traders. The stream never ends: a closed market is
determined by its hidden price, and a successor opens. Each event draws from a generator of its own, with integers only,
so that a seed gives the same stream on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from truebook.messages.market_metadata import MarketMetadata
from truebook.simulation.synthetic.calendar import Calendar, Task, TaskKind
from truebook.simulation.synthetic.easy_event import EVENTS_PER_MINUTE, EasyEvent
from truebook.simulation.synthetic.fitted_event import FittedEvent
from truebook.simulation.synthetic.market_plan import EventPlan, plan_markets, plan_tickers
from truebook.simulation.synthetic.presets import PARAMETERS, Preset, TraderParameters
from truebook.simulation.synthetic.trader_events import (
    CloseMoved,
    MarketDetermined,
    MarketOpened,
    TraderEvent,
    apply,
)

__all__ = ["Traders", "apply"]

_DETERMINED_AFTER_US: Final = 200_000
_SUCCESSOR_AFTER_US: Final = 3_000_000


class LiveEvent(Protocol):
    """One event while it is traded: its hidden prices and its traders."""

    generation: int
    close_us: int
    metadata: list[MarketMetadata]

    def begin(self, calendar: Calendar, now_us: int) -> None:
        """Schedule the first decisions."""
        ...

    def decide(self, calendar: Calendar, task: Task, now_us: int) -> None:
        """Make one decision, and schedule it again if it recurs."""
        ...

    def hidden_price_cc(self, market: int) -> int:
        """Return the expected YES value of one of its markets."""
        ...

    def draw_settlement(self) -> list[int]:
        """Draw the outcome by the hidden prices: the YES value per market, 10,000 for at most one of them."""
        ...


class Traders:
    """All synthetic traders of one exchange.

    ``markets`` is the number of markets at any time; ``tickers`` names them instead, all long-lived, or names further
    ones (``named_beside``). ``parameters``
    replace the preset's, for measurements. The pace ``events_per_minute`` is that of ``easy``. Raises ``ValueError``
    for no market, a duplicate ticker or a pace below 1.
    """

    def __init__(
        self,
        seed: int,
        *,
        start_us: int,
        markets: int = 10,
        tickers: Sequence[str] = (),
        named_beside: bool = False,
        preset: Preset,
        parameters: TraderParameters | None = None,
        events_per_minute: int = EVENTS_PER_MINUTE,
    ) -> None:
        if events_per_minute < 1:
            raise ValueError(f"the pace must be at least 1 event a minute, got {events_per_minute}")
        self.seed = seed
        self._parameters = PARAMETERS.get(preset) if parameters is None else parameters
        self._pace = events_per_minute
        self._plans = plan_tickers(tickers) if tickers else []
        if named_beside or not tickers:
            self._plans += plan_markets(markets, first=len(self._plans))
        self._live: dict[int, LiveEvent] = {}
        self._shift_us = 0
        self._last_us = start_us
        self._calendar = Calendar()
        for plan in self._plans:
            self._calendar.push(start_us, Task(TaskKind.OPEN, plan.index, 0))
        self._run_tasks()

    def reseed(self, seed: int) -> None:
        """Let events that open from now on follow another seed; those that are open keep theirs."""
        self.seed = seed

    def next_due_us(self) -> int:
        """Return the time of the next command."""
        return self._calendar.next_due_us() + self._shift_us

    def step(self) -> TraderEvent:
        """Remove and return the next command."""
        due_us, event = self._calendar.pop()
        assert isinstance(event, TraderEvent)
        self._last_us = due_us
        self._run_tasks()
        return self._shifted(event) if self._shift_us else event

    def hidden_price_cc(self, ticker: str) -> int | None:
        """Return a traded market's hidden price, for reports and tests: no client gets it; None once it is
        determined."""
        for event in self._live.values():
            for market, metadata in enumerate(event.metadata):
                if metadata.ticker == ticker:
                    return event.hidden_price_cc(market)
        return None

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

    def _run_tasks(self) -> None:
        """Execute tasks until the next entry is a command."""
        while self._calendar.task_is_next():
            due_us, task = self._calendar.pop()
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
            event.decide(self._calendar, task, now_us)

    def _open(self, task: Task, now_us: int) -> None:
        plan, generation = task.plan, task.generation
        event = self._live[plan] = self._make_event(self._plans[plan], generation, now_us)
        for metadata in event.metadata:
            self._calendar.push(now_us, MarketOpened(at_us=now_us, metadata=metadata))
        event.begin(self._calendar, now_us)
        self._calendar.push(event.close_us + _DETERMINED_AFTER_US, Task(TaskKind.END, plan, generation))

    def _make_event(self, plan: EventPlan, generation: int, now_us: int) -> LiveEvent:
        if self._parameters is None:
            return EasyEvent(self.seed, plan, generation, now_us, pace=self._pace)
        return FittedEvent(self.seed, plan, generation, now_us, parameters=self._parameters)

    def _end(self, event: LiveEvent, task: Task, now_us: int) -> None:
        for market, settlement_cc in zip(event.metadata, event.draw_settlement(), strict=True):
            determined = MarketDetermined(at_us=now_us, ticker=market.ticker, settlement_cc=settlement_cc)
            self._calendar.push(now_us, determined)
        successor_us = event.close_us + _SUCCESSOR_AFTER_US
        self._calendar.push(successor_us, Task(TaskKind.OPEN, task.plan, task.generation + 1))
