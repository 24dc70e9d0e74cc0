"""The operator's port while nothing runs: on the ledger itself, and on the files that the last run left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import msgspec

from truebook.clock import ExchangeClock, SystemClock
from truebook.ledger.port import LedgerStore, LedgerView
from truebook.ledger.redis.bundled import BundledServer
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.trading_holds import WIND_DOWN
from truebook.ledger.valuation import Books, Levels, account_values
from truebook.messages.envelope import Source
from truebook.runtime.settings import TruebookSettings
from truebook.runtime.state_folder import StateFolder
from truebook_services.operator.exchange import exchange_client, responding
from truebook_services.operator.holds import halt_trading, resume_trading
from truebook_services.operator.model_failures import after_run, read_pointer
from truebook_services.operator.model_requests import Models
from truebook_services.operator.nothing_left import no_evidence, no_ledger
from truebook_services.operator.perform import Sources, operator_context, perform
from truebook_services.operator.port import (
    WINDOW_S,
    AfterHalt,
    HaltResult,
    Operator,
    ResumeResult,
    Status,
    Why,
)  # fmt: skip
from truebook_services.operator.requests import Request, ResultT, ShowStatement
from truebook_services.operator.run_files import LEDGER, read_books, read_evidence, read_summary
from truebook_services.operator.statements import Statements, show_statement
from truebook_services.operator.statistics import Statistics
from truebook_services.operator.status import RunInfo, status_of


class StoppedOperator(Operator):
    """Opens the ledger for each request; ``window_s`` has no effect."""

    def __init__(self, settings: TruebookSettings) -> None:
        self._settings = settings
        self._folder = settings.state_path

    async def status(self, window_s: float = WINDOW_S) -> Status:
        """Report the last run's status with the ledger's present values; a killed run left no status of its own."""
        last = read_summary(self._folder)
        if last is not None and not self._has_ledger():  # a run in lock-step keeps its ledger in memory
            return msgspec.structs.replace(last, alive=False)  # and leaves the registry as it is
        async with self._open_ledger() as ledger:
            view = await ledger.view()
        books = read_books(self._folder)
        if last is None:
            last = status_of(Statistics(), view, books, None, RunInfo(seconds=0.0, at_us=0, market_data="", model=""))
        values = msgspec.structs.asdict(account_values(view, books))
        crashed = view.account.opened and all(hold.name != WIND_DOWN.name for hold in view.account.holds)
        if crashed:
            last = msgspec.structs.replace(last, ledger_equals_exchange=None, differences=())
        last = after_run(last, read_pointer(self._settings.models_path))
        return msgspec.structs.replace(last, **values, alive=False, crashed=crashed)

    async def why(self, ticker: str | None = None, window_s: float = WINDOW_S) -> Why:
        """Explain the last hour of the last run."""
        snapshot = read_evidence(self._folder)
        if snapshot is None:
            raise no_evidence(self._settings)
        market = next((each for each in snapshot.markets if each.ticker == ticker), None)
        return Why(at_us=snapshot.at_us, funnel=snapshot.funnel, market=market)

    async def halt(self, *, keep_orders: bool = False) -> HaltResult:
        async with self._open_ledger() as ledger:
            return await halt_trading(ledger, None, keep_orders=keep_orders, otherwise=AfterHalt.NOT_CANCELLED)

    async def resume(self, hold: str | None = None) -> ResumeResult:
        async with self._open_ledger() as ledger:
            return await resume_trading(ledger, hold)

    async def perform(self, request: Request[ResultT]) -> ResultT:
        clock = ExchangeClock(SystemClock())
        if isinstance(request, ShowStatement):  # from the journal's files: the ledger stays closed
            statements = Statements.of_files(self._settings)
            return cast("ResultT", await show_statement(request, statements, clock.now_us(), self._books))
        async with self._open_ledger() as ledger, exchange_client(self._settings, clock) as rest:
            rest = await responding(rest, clock)
            sources = Sources(
                ledger=ledger, rest=rest, read_books=self._read_books, sender=None,
                context=operator_context(self._settings, clock), models=Models.of(self._settings),
            )  # fmt: skip
            return await perform(request, sources)

    async def _books(self) -> Books:
        return read_books(self._folder)

    async def _read_books(self, _: LedgerView) -> dict[str, tuple[Levels, Levels]] | None:
        return read_books(self._folder)

    def _has_ledger(self) -> bool:
        return self._settings.redis_url is not None or (self._folder / LEDGER).exists()

    @asynccontextmanager
    async def _open_ledger(self) -> AsyncIterator[LedgerStore]:
        """Open the ledger while no other process has its folder; raises ``FolderInUse`` and ``LedgerError``."""
        if self._settings.redis_url is not None:
            async with self._connect(self._settings.redis_url) as ledger:
                yield ledger
            return
        if not self._has_ledger():
            raise no_ledger(self._folder)
        with StateFolder(self._folder):
            server = await BundledServer.start(self._folder / LEDGER)
            try:
                async with self._connect(server.url) as ledger:
                    yield ledger
            finally:
                await server.stop()

    @asynccontextmanager
    async def _connect(self, url: str) -> AsyncIterator[LedgerStore]:
        ledger = await RedisStore.connect(url, self._settings.account, password=self._settings.redis_password())
        if self._settings.market_data is not Source.CAPTURE:  # its journal has the recording's time
            ledger.now_us = SystemClock().now_us
        try:
            yield ledger
        finally:
            await ledger.aclose()
