"""The shell around the pure engine: one turn applies what is due, carries out commands, syncs, and only then tells.

A turn runs without giving way to other tasks: whoever reads the engine between two turns sees exactly what was told.
Market events come in one order, fixed by the seed or the recording; commands are placed between them by the number of
events before them, which the journal keeps. Replaying the journal therefore leads to the same state, ids included.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from truebook.simulation.events import Filled, OrderChanged, Settled, SimulationEvent
from truebook.simulation.order_entry import OrderEntry
from truebook_services.paper_exchange.commands import Answer, Command, carry_out
from truebook_services.paper_exchange.journal import (
    Advanced,
    Commanded,
    Configured,
    Entry,
    Journal,
    JournalMismatch,
    Resumed,
)

EVENTS_PER_TURN: Final = 500
"""Bounds how long a turn keeps the event loop; a backlog is worked off over several turns."""

Tell = Callable[[Sequence[SimulationEvent]], None]
_Answered = tuple[asyncio.Future[list[Answer]], list[Answer]]


class _Request(NamedTuple):
    """Commands on their way: equal arrivals are carried out in the order in which they were sent."""

    arrive_us: int
    number: int
    commands: Sequence[Command]
    answers: asyncio.Future[list[Answer]]


class MarketSource(Protocol):
    """Where the market's own events come from: synthetic traders or a recording."""

    position: int
    """How many events have been applied."""

    def next_due_us(self) -> int | None:
        """When the next event is due; none at the end of a recording."""
        ...

    def step(self) -> Sequence[SimulationEvent]:
        """Apply the next event to the engine."""
        ...

    def away(self, until_us: int, at_us: int) -> Sequence[SimulationEvent]:
        """Move what was to come by the time that the exchange was away."""
        ...


class ExchangeCore:
    """Engine, market source and journal under one clock that never steps back."""

    def __init__(self, engine: OrderEntry, source: MarketSource, journal: Journal) -> None:
        self.engine = engine
        self.source = source
        self.reached_us = 0
        self.wake = asyncio.Event()
        self._journal = journal
        self._waiting: deque[_Request] = deque()
        self._under_way: list[_Request] = []
        self._numbers = itertools.count()
        self._failure: BaseException | None = None

    # Starting.

    def begin(self, configured: Configured) -> None:
        """Start a new history."""
        self._open(configured)
        self._journal.append(configured)
        self._journal.sync()

    def recover(self, configured: Configured, entries: Iterable[Entry], learn: Tell) -> None:
        """Replay a journal; ``learn`` hears of all that happens again."""
        self._open(configured)
        self._replay(entries, learn)

    def go_on(self, reached_us: int, entries: Iterable[Entry], learn: Tell) -> None:
        """Replay a journal's end, with an engine and a source that have come to ``reached_us`` already."""
        self.reached_us = reached_us
        self._replay(entries, learn)

    def _replay(self, entries: Iterable[Entry], learn: Tell) -> None:
        for entry in entries:
            match entry:
                case Configured():
                    raise JournalMismatch("the journal begins twice; move its folder away to start anew")
                case Commanded(at_us=at_us, position=position, command=command):
                    self._replay_to(at_us, position, learn)
                    learn(carry_out(self.engine, command, at_us)[1])
                case Advanced(at_us=at_us, position=position):
                    self._replay_to(at_us, position, learn)
                case Resumed(until_us=until_us, position=position, at_us=at_us):
                    self._replay_to(until_us, position, learn)
                    self._skip_to(at_us, learn)

    def resume(self, until_us: int, now_us: int, learn: Tell) -> None:
        """Go on after the replay: what happened up to ``until_us`` happens again, then the time away is skipped."""
        while (due_us := self.source.next_due_us()) is not None and due_us <= until_us:
            learn(self._step(due_us))
        self.reached_us = max(self.reached_us, until_us)
        learn(self.engine.advance(self.reached_us))
        at_us = max(self.reached_us, now_us)
        self._journal.append(Resumed(until_us=self.reached_us, position=self.source.position, at_us=at_us))
        self._journal.sync()
        self._skip_to(at_us, learn)

    def _open(self, configured: Configured) -> None:
        self.reached_us = configured.start_us
        self.engine.open_account(configured.account, configured.balance_micros)

    def _replay_to(self, at_us: int, position: int, learn: Tell) -> None:
        while self.source.position < position:
            due_us = self.source.next_due_us()
            if due_us is None:
                raise JournalMismatch("the journal is longer than the recording: it belongs to another one")
            learn(self._step(due_us))
        learn(self.engine.advance(at_us))
        self.reached_us = at_us

    def _skip_to(self, at_us: int, learn: Tell) -> None:
        learn(self.source.away(self.reached_us, at_us))
        self.reached_us = at_us

    def _step(self, due_us: int) -> list[SimulationEvent]:
        """Apply one market event, after all that was due by itself before it."""
        return [*self.engine.advance(due_us), *self.source.step()]

    # Running.

    async def carry_out(self, commands: Sequence[Command], arrive_us: int | None = None) -> list[Answer]:
        """Hand commands to the engine and wait for the answers, which are on disk by then.

        Those that arrive at a given time find exactly the market's events up to that time applied; those without one
        are carried out in the next turn, after all that is due.
        """
        if self._failure is not None:
            raise RuntimeError("the exchange has failed") from self._failure
        answers: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        request = _Request(arrive_us or 0, next(self._numbers), commands, answers)
        if arrive_us is None:
            self._waiting.append(request)
        else:
            heapq.heappush(self._under_way, request)
        self.wake.set()
        return await answers

    def next_due_us(self) -> int | None:
        """When the next thing is due that is known by now: of the market, of the engine itself, or a command."""
        due = (self._next_step_us(), self.engine.next_due_us())
        return min((due_us for due_us in due if due_us is not None), default=None)

    def _next_step_us(self) -> int | None:
        """When the next event of the market or the next commands are due."""
        due_us = self.source.next_due_us()
        if not self._under_way:
            return due_us
        arrive_us = self._under_way[0].arrive_us
        return arrive_us if due_us is None else min(due_us, arrive_us)

    def turn(self, now_us: int, deliver: Tell) -> bool:
        """Do one turn; answers whether all that is due has been applied (else another turn should follow at once)."""
        self.wake.clear()
        told: list[SimulationEvent] = []
        answered: list[_Answered] = []
        caught_up = self._apply_due(now_us, told, answered)
        if caught_up:
            self.reached_us = max(self.reached_us, now_us)
        by_itself = self.engine.advance(self.reached_us)
        told += by_itself
        if by_itself or any(isinstance(event, Filled | OrderChanged | Settled) for event in told):
            self._journal.append(Advanced(at_us=self.reached_us, position=self.source.position))
        while self._waiting:
            answered.append(self._answer(self._waiting.popleft(), told))
        self._journal.sync()
        self._journal.reached(self.reached_us)
        deliver(told)
        for future, answers in answered:
            if not future.done():
                future.set_result(answers)
        return caught_up

    def _apply_due(self, now_us: int, told: list[SimulationEvent], answered: list[_Answered]) -> bool:
        """Apply the market's events and the arriving commands in the order of their times, events first."""
        applied = 0
        while applied < EVENTS_PER_TURN and (due_us := self._next_step_us()) is not None and due_us <= now_us:
            event_us = self.source.next_due_us()
            if event_us is not None and event_us <= due_us:
                told += self._step(event_us)
                self.reached_us = max(self.reached_us, event_us)
            else:
                self.reached_us = max(self.reached_us, due_us)
                told += self.engine.advance(self.reached_us)
                answered.append(self._answer(heapq.heappop(self._under_way), told))
            applied += 1
        return applied < EVENTS_PER_TURN

    def fail(self, error: BaseException) -> None:
        """Refuse every command from now on: the engine, or the disk under its journal, is broken."""
        self._failure = error
        for request in (*self._waiting, *self._under_way):
            if not request.answers.done():
                request.answers.set_exception(RuntimeError("the exchange has failed"))
        self._waiting.clear()
        self._under_way.clear()

    def _answer(self, request: _Request, told: list[SimulationEvent]) -> _Answered:
        answers = []
        for command in request.commands:
            answer, events = carry_out(self.engine, command, self.reached_us)
            entry = Commanded(at_us=self.reached_us, position=self.source.position, command=command)
            self._journal.append(entry)
            told += events
            answers.append(answer)
        return request.answers, answers
