"""The ledger as one process sees it: a server that carries each call out whole or not at all, over a line of its own.

A client that dies or loses the line in mid-call does not know whether the call was carried out: both happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from chaos.history import History, Violation
from chaos.invariants import Watch
from chaos.processes import Process, never
from chaos.weather import LedgerFate, Weather
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import StoreUnavailable
from truebook.ledger.rules import Ledger
from truebook.ledger.verbs import VERB_OF, Arguments


class WatchedLedger(Ledger):
    """The rules, watched: after each verb the invariants are checked, and every change goes into the history."""

    def __init__(self, incarnation: str, history: History) -> None:
        super().__init__(incarnation)
        self._history = history
        self.watch: Watch | None = None
        self.violated: Callable[[BaseException], None] = lambda _: None
        """Told of a violation before the verb's caller is, who would only die of it."""

    def apply(self, arguments: Arguments) -> str:
        try:
            return self._apply(arguments)
        except Violation as violation:
            self.violated(violation)
            raise

    def _apply(self, arguments: Arguments) -> str:
        before = self.seq
        if self.watch is not None:
            self.watch.before(arguments)
        result = super().apply(arguments)
        verb = VERB_OF[type(arguments)]
        subject = getattr(arguments, "ticker", "")
        body = msgspec.json.encode(arguments)
        if self.seq != before:
            self._history.record(f"ledger:{verb}", subject, body + f" -> {result} #{self.seq}".encode())
        else:
            self._history.note(f"ledger:{verb}", subject, body + f" -> {result} (no change)".encode())
        if self.watch is not None:
            self.watch.after(arguments, result)
        return result


class LedgerServer:
    """The shared store."""

    def __init__(self, seed: int, history: History, weather: Weather) -> None:
        self.store = MemoryStore(f"seed-{seed}")
        self.ledger = WatchedLedger(f"seed-{seed}", history)
        self.store.ledger = self.ledger
        self.weather = weather


class LedgerPort:
    """One process's client: every method of ``LedgerStore``, by its name."""

    def __init__(self, server: LedgerServer, process: Process) -> None:
        self._server = server
        self._process = process

    def __getattr__(self, name: str) -> Any:
        method, weather, process = getattr(self._server.store, name), self._server.weather, self._process

        async def call(*arguments: Any, **named: Any) -> Any:
            if process.at_port():
                await never()
            fate = weather.ledger_fate()
            before_s, after_s = weather.ledger_delays_s()
            if before_s or fate is not LedgerFate.DONE:
                await asyncio.sleep(before_s)
            if fate is LedgerFate.FAILED:
                raise StoreUnavailable("connection refused")
            answer = await method(*arguments, **named)
            if fate is LedgerFate.ANSWER_LOST:
                raise StoreUnavailable("the answer was lost")
            if after_s:
                await asyncio.sleep(after_s)
            if process.at_port():
                await never()
            return answer

        setattr(self, name, call)
        return call
