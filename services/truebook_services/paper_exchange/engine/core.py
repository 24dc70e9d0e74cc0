"""Runs the pure engine: a tick applies what is due, executes commands, writes the journal, and only then publishes.

A tick does not yield to other tasks: a reader of the engine between two ticks sees exactly what was published. Market
events have one order, fixed by the seed or the recording. The journal keeps for each command the number of market
events before it, so replaying the journal leads to the same state, ids included.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from truebook.simulation.events import Filled, OrderChanged, Settled, SimulationEvent
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook_services.paper_exchange.engine.commands import Command, CommandResult, execute
from truebook_services.paper_exchange.engine.entries import Advanced, Commanded, Configured, Entry, Reseeded, Resumed
from truebook_services.paper_exchange.engine.journal import ExchangeJournal
from truebook_services.paper_exchange.engine.journal_errors import ExchangeJournalMismatch

EVENTS_PER_TICK: Final = 500
"""Bounds how long a tick blocks the event loop; a backlog is processed over several ticks."""

EventSink = Callable[[Sequence[SimulationEvent]], None]
_Executed = tuple[asyncio.Future[list[CommandResult]], list[CommandResult]]


class _Submission(NamedTuple):
    """Commands on their way to the engine; those with equal arrival times are executed in the order of submission."""

    arrive_us: int
    number: int
    commands: Sequence[Command]
    results: asyncio.Future[list[CommandResult]]


class MarketSource(Protocol):
    """The source of market events: synthetic traders or a recording."""

    position: int
    """Number of applied events."""

    def next_due_us(self) -> int | None:
        """Return the time of the next event; None at the end of a recording."""
        ...

    def step(self) -> Sequence[SimulationEvent]:
        """Apply the next event to the engine."""
        ...

    def skip(self, until_us: int, at_us: int) -> Sequence[SimulationEvent]:
        """Shift the coming events by the downtime from ``until_us`` to ``at_us``."""
        ...

    def reseed(self, seed: int) -> None:
        """Draw what begins from now on by another seed; no effect on a recording."""
        ...


class ExchangeCore:
    """Engine, market source and journal under one clock that never goes back."""

    def __init__(self, engine: SimulatedExchange, source: MarketSource, journal: ExchangeJournal) -> None:
        self.engine = engine
        self.source = source
        self.journal = journal
        self.reached_us = 0
        self.commands = 0
        """How many commands of accounts were executed since the start."""
        self.wake = asyncio.Event()
        self._pending: deque[_Submission] = deque()
        self._in_flight: list[_Submission] = []
        self._numbers = itertools.count()
        self._failure: BaseException | None = None

    # Start and recovery.

    def begin(self, configured: Configured) -> None:
        """Start a new history."""
        self._open_account(configured)
        self.journal.append(configured)
        self.journal.sync()

    def recover(self, configured: Configured, entries: Iterable[Entry], sink: EventSink) -> None:
        """Replay a journal; ``sink`` gets every event again."""
        self._open_account(configured)
        self._replay(entries, sink)

    def resume_from(self, reached_us: int, entries: Iterable[Entry], sink: EventSink) -> None:
        """Replay the rest of a journal whose prefix led engine and source to ``reached_us``."""
        self.reached_us = reached_us
        self._replay(entries, sink)

    def _replay(self, entries: Iterable[Entry], sink: EventSink) -> None:
        for entry in entries:
            match entry:
                case Configured():
                    raise ExchangeJournalMismatch("the journal begins twice; move its folder away to start over")
                case Commanded(at_us=at_us, position=position, command=command):
                    self._replay_to(at_us, position, sink)
                    sink(execute(self.engine, command, at_us)[1])
                case Advanced(at_us=at_us, position=position):
                    self._replay_to(at_us, position, sink)
                case Reseeded(at_us=at_us, position=position, seed=seed):
                    self._replay_to(at_us, position, sink)
                    self.source.reseed(seed)
                case Resumed(until_us=until_us, position=position, at_us=at_us):
                    self._replay_to(until_us, position, sink)
                    self._skip_to(at_us, sink)

    def skip_downtime(self, until_us: int, now_us: int, sink: EventSink) -> None:
        """Finish a recovery: replay the market's events up to ``until_us``, then skip the time to ``now_us``."""
        while (due_us := self.source.next_due_us()) is not None and due_us <= until_us:
            sink(self._step(due_us))
        self.reached_us = max(self.reached_us, until_us)
        sink(self.engine.advance(self.reached_us))
        at_us = max(self.reached_us, now_us)
        self.journal.append(Resumed(until_us=self.reached_us, position=self.source.position, at_us=at_us))
        self.journal.sync()
        self._skip_to(at_us, sink)

    def change(self, commands: Sequence[Command], sink: EventSink) -> None:
        """Execute commands of the operator at a restart, before anything is served."""
        for command in commands:
            sink(execute(self.engine, command, self.reached_us)[1])
            self.journal.append(Commanded(at_us=self.reached_us, position=self.source.position, command=command))
        self.journal.sync()

    def reseed(self, seed: int) -> None:
        """Let the source's later events follow another seed."""
        self.source.reseed(seed)
        self.journal.append(Reseeded(at_us=self.reached_us, position=self.source.position, seed=seed))
        self.journal.sync()

    def _open_account(self, configured: Configured) -> None:
        self.reached_us = configured.start_us
        for account in (configured.account, *configured.accounts):
            self.engine.open_account(account, configured.balance_micros)

    def _replay_to(self, at_us: int, position: int, sink: EventSink) -> None:
        while self.source.position < position:
            due_us = self.source.next_due_us()
            if due_us is None:
                raise ExchangeJournalMismatch("the journal is longer than the recording: it is of another recording")
            sink(self._step(due_us))
        sink(self.engine.advance(at_us))
        self.reached_us = at_us

    def _skip_to(self, at_us: int, sink: EventSink) -> None:
        sink(self.source.skip(self.reached_us, at_us))
        self.reached_us = at_us

    def _step(self, due_us: int) -> list[SimulationEvent]:
        """Apply one market event, after the engine's own events that are due before it."""
        return [*self.engine.advance(due_us), *self.source.step()]

    # Operation.

    def submit(self, commands: Sequence[Command]) -> None:
        """Let the next tick execute commands whose results are not read."""
        results: asyncio.Future[list[CommandResult]] = asyncio.get_running_loop().create_future()
        self._pending.append(_Submission(0, next(self._numbers), commands, results))

    async def execute(self, commands: Sequence[Command], arrive_us: int | None = None) -> list[CommandResult]:
        """Execute commands and return their results once they are in the journal.

        Commands with an arrival time see exactly the market events up to it; those without one are executed in the next
        tick, after all due events.
        """
        if self._failure is not None:
            raise RuntimeError("the exchange has failed") from self._failure
        results: asyncio.Future[list[CommandResult]] = asyncio.get_running_loop().create_future()
        submission = _Submission(arrive_us or 0, next(self._numbers), commands, results)
        if arrive_us is None:
            self._pending.append(submission)
        else:
            heapq.heappush(self._in_flight, submission)
        self.wake.set()
        return await results

    def next_due_us(self) -> int | None:
        """Return the earliest known due time: of the market, the engine itself, or an arriving command."""
        due = (self._next_step_us(), self.engine.next_due_us())
        return min((due_us for due_us in due if due_us is not None), default=None)

    def _next_step_us(self) -> int | None:
        """Return when the next market event or the next arriving commands are due."""
        due_us = self.source.next_due_us()
        if not self._in_flight:
            return due_us
        arrive_us = self._in_flight[0].arrive_us
        return arrive_us if due_us is None else min(due_us, arrive_us)

    def tick(self, now_us: int, publish: EventSink) -> bool:
        """Do one tick; returns whether everything due was applied (if not, the next tick should follow at once)."""
        self.wake.clear()
        events: list[SimulationEvent] = []
        executed: list[_Executed] = []
        caught_up = self._apply_due(now_us, events, executed)
        if caught_up:
            self.reached_us = max(self.reached_us, now_us)
        engine_events = self.engine.advance(self.reached_us)
        events += engine_events
        if engine_events or any(isinstance(event, Filled | OrderChanged | Settled) for event in events):
            self.journal.append(Advanced(at_us=self.reached_us, position=self.source.position))
        while self._pending:
            executed.append(self._execute(self._pending.popleft(), events))
        self.journal.sync()
        self.journal.record_time(self.reached_us)
        publish(events)
        for future, results in executed:
            if not future.done():
                future.set_result(results)
        return caught_up

    def _apply_due(self, now_us: int, events: list[SimulationEvent], executed: list[_Executed]) -> bool:
        """Apply market events and arriving commands in the order of their times, events first."""
        applied = 0
        while applied < EVENTS_PER_TICK and (due_us := self._next_step_us()) is not None and due_us <= now_us:
            event_us = self.source.next_due_us()
            if event_us is not None and event_us <= due_us:
                events += self._step(event_us)
                self.reached_us = max(self.reached_us, event_us)
            else:
                self.reached_us = max(self.reached_us, due_us)
                events += self.engine.advance(self.reached_us)
                executed.append(self._execute(heapq.heappop(self._in_flight), events))
            applied += 1
        return applied < EVENTS_PER_TICK

    def _execute(self, submission: _Submission, events: list[SimulationEvent]) -> _Executed:
        results = []
        self.commands += len(submission.commands)
        for command in submission.commands:
            result, command_events = execute(self.engine, command, self.reached_us)
            self.journal.append(Commanded(at_us=self.reached_us, position=self.source.position, command=command))
            events += command_events
            results.append(result)
        return submission.results, results

    def fail(self, error: BaseException) -> None:
        """Reject every command from now on: the engine, or the disk under its journal, is broken."""
        self._failure = error
        for submission in (*self._pending, *self._in_flight):
            if not submission.results.done():
                submission.results.set_exception(RuntimeError("the exchange has failed"))
        self._pending.clear()
        self._in_flight.clear()
