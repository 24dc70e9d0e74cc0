"""The ledger as one process sees it: a server that executes each call completely or not at all, over a connection.

A client that dies or loses the connection during a call does not know whether it was executed: both happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from chaos.conditions import LedgerOutcome, NetworkConditions
from chaos.history import History, Violation
from chaos.invariants import InvariantChecker
from chaos.processes import Process, never
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import StoreUnavailable
from truebook.ledger.rules.ledger import Ledger
from truebook.ledger.verbs import ResultT, Verb


class CheckedLedger(Ledger):
    """The rules with checks: tests the invariants after each verb and adds every change to the history."""

    def __init__(self, ledger_id: str, history: History) -> None:
        super().__init__(ledger_id)
        self._history = history
        self.checker: InvariantChecker | None = None
        self.violated: Callable[[BaseException], None] = lambda _: None
        """Called with a violation before it is raised in the verb's caller."""

    def apply(self, arguments: Verb[ResultT]) -> ResultT:
        try:
            return self._apply(arguments)
        except Violation as violation:
            self.violated(violation)
            raise

    def _apply(self, arguments: Verb[ResultT]) -> ResultT:
        before = self.seq
        if self.checker is not None:
            self.checker.before(arguments)
        result = super().apply(arguments)
        subject = getattr(arguments, "ticker", "")
        body = msgspec.json.encode(arguments)
        if self.seq != before:
            self._history.record(f"ledger:{arguments.VERB}", subject, body + f" -> {result} #{self.seq}".encode())
        else:
            self._history.note(f"ledger:{arguments.VERB}", subject, body + f" -> {result} (no change)".encode())
        if self.checker is not None:
            self.checker.after(arguments, result)
        return result


class LedgerServer:
    """The shared store."""

    def __init__(self, seed: int, history: History, conditions: NetworkConditions) -> None:
        self._seed = seed
        self._history = history
        self.conditions = conditions
        self._histories = 0
        self.begin()

    def begin(self) -> None:
        """Begin an empty ledger, with a name of its own."""
        self._histories += 1
        name = f"seed-{self._seed}-{self._histories}"
        self.store = MemoryStore(name)
        self.ledger = CheckedLedger(name, self._history)
        self.store.ledger = self.ledger


class LedgerPort:
    """One process's client: every method of ``LedgerStore``, by name."""

    def __init__(self, server: LedgerServer, process: Process) -> None:
        self._server = server
        self._process = process

    @property
    def ledger_id(self) -> str:
        return self._server.store.ledger_id

    def __getattr__(self, name: str) -> Any:
        method, conditions, process = getattr(self._server.store, name), self._server.conditions, self._process

        async def call(*arguments: Any, **named: Any) -> Any:
            if process.at_port():
                await never()
            call_plan = conditions.ledger_outcome()
            before_s, after_s = conditions.ledger_delays_s()
            if before_s or call_plan is not LedgerOutcome.DONE:
                await asyncio.sleep(before_s)
            if call_plan is LedgerOutcome.FAILED:
                raise StoreUnavailable("connection refused")
            result = await method(*arguments, **named)
            if call_plan is LedgerOutcome.RESPONSE_LOST:
                raise StoreUnavailable("response lost")
            if after_s:
                await asyncio.sleep(after_s)
            if process.at_port():
                await never()
            return result

        setattr(self, name, call)
        return call
