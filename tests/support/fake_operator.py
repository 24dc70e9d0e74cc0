"""The operator's port on a ledger of rules and an exchange that can fail to cancel."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.services import make_context
from truebook.clock import Clock, SystemClock
from truebook.kalshi.port import RestClient
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import LedgerStore, LedgerView
from truebook.ledger.valuation import Levels
from truebook_services.operator.flatten import ActionSender
from truebook_services.operator.holds import halt_trading, resume_trading
from truebook_services.operator.model_requests import Models
from truebook_services.operator.perform import Sources, perform
from truebook_services.operator.port import WINDOW_S, HaltResult, Operator, ResumeResult, Status, Why
from truebook_services.operator.requests import Request, ResultT
from truebook_services.operator.statements import Statements
from truebook_services.operator.statistics import Statistics
from truebook_services.operator.status import RunInfo, status_of, why_of


class FakeOperator(Operator):
    """Cancels nothing; counts how often it should have."""

    def __init__(self, ledger: LedgerStore | None = None, rest: RestClient | None = None) -> None:
        self.ledger: LedgerStore = MemoryStore() if ledger is None else ledger
        self.rest = rest
        self.books: dict[str, tuple[Levels, Levels]] = {}
        self.sender: ActionSender | None = None
        self.clock: Clock = SystemClock()
        self.statements: Statements | None = None
        self.cancels = 0
        self.error: Exception | None = None
        self.hangs = False
        self.models_folder = Path("/nonexistent/models")

    async def status(self, window_s: float = WINDOW_S) -> Status:
        info = RunInfo(seconds=1.0, at_us=5, market_data="simulated")
        return status_of(Statistics(), await self.ledger.view(), {}, None, info)

    async def why(self, ticker: str | None = None, window_s: float = WINDOW_S) -> Why:
        return why_of(Statistics().evidence, ticker, 5, (await self.ledger.view(())).account)

    async def halt(self, *, keep_orders: bool = False) -> HaltResult:
        return await halt_trading(self.ledger, self.cancel_all, keep_orders=keep_orders, within_s=0.05)

    async def resume(self, hold: str | None = None) -> ResumeResult:
        return await resume_trading(self.ledger, hold)

    async def perform(self, request: Request[ResultT]) -> ResultT:
        return await perform(request, self._sources())

    def _sources(self) -> Sources:
        return Sources(
            ledger=self.ledger, rest=self.rest, read_books=self._read_books, sender=self.sender,
            context=make_context("operator", self.clock), models=Models(self.models_folder, "sim-main", None),
            statements=self.statements,
        )  # fmt: skip

    async def _read_books(self, _: LedgerView) -> dict[str, tuple[Levels, Levels]]:
        return self.books

    async def cancel_all(self) -> None:
        self.cancels += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
