"""Statements of two days equal, to the micro-dollar, what the exchange's REST gives; all parts are real."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from support.contract_harnesses import ActionSource
from support.execution_harness import ExecutionHarness, RecordingBus, ask, bid
from support.paper_client import SIGNER, paper_settings
from support.rest_statement import Day, micros, read_all, recompute
from support.services import Running, make_context
from truebook.clock import SystemClock
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.stream.connection import WebsocketConnector
from truebook.ledger.journal.file import FileJournal
from truebook.ledger.journal.verify import verify_journal
from truebook.ledger.port import LedgerView
from truebook.ledger.redis.bundled import BundledServer
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.verbs import Hold, Mode
from truebook.messages.actions import OmittedSides
from truebook.messages.topics import FILLS
from truebook.money import format_micros, format_price, format_size
from truebook.runtime.context import Context
from truebook.runtime.frames import Service
from truebook.statement.days import period_of
from truebook.statement.records import Statement
from truebook_services.execution.service import build as build_execution
from truebook_services.execution.settings import ExecutionSettings
from truebook_services.fill_listener.service import build as build_fill_listener
from truebook_services.fill_listener.settings import FillListenerSettings
from truebook_services.operator.statements import statement_of_files
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.reconciler.service import build as build_reconciler
from truebook_services.reconciler.settings import ReconcilerSettings
from truebook_services.reconciler.startup import hold_until_reconciled

ZONE = ZoneInfo("UTC")
FIRST, SECOND = date(2027, 3, 1), date(2027, 3, 2)
MIDNIGHT_US = int(datetime(2027, 3, 2, tzinfo=UTC).timestamp()) * 1_000_000
FILLS_EACH_DAY = 12


class ShiftedClock(SystemClock):
    """The machine's clock, moved to another time, and moved on by the test."""

    def __init__(self, start_us: int) -> None:
        super().__init__(start_us)

    def move_to(self, at_us: int) -> None:
        self._anchor_us += max(0, at_us - self.now_us())


class Trader(ExecutionHarness):
    """Takes what the exchange's books offer, as two models in turn."""

    rest: HttpRestClient

    async def trade(self, tickers: list[str], until_count: int, fills: Callable[[], int]) -> None:
        for number in range(200):
            for ticker in tickers:
                if fills() >= until_count:
                    return
                book = await self.rest.book(ticker)
                if not book.bids or not book.asks:
                    continue
                await self.publish_metadata(await self.rest.market(ticker))
                await self.snapshot(ticker, bids=book.bids, asks=book.asks)
                (best_bid, _), (best_ask, _) = book.bids[0], book.asks[0]
                target = bid(best_ask, 203) if number % 3 else ask(best_bid, 301)
                await self.send(
                    self.action(
                        target, ticker=ticker, omitted_sides=OmittedSides.CANCEL, reference_cc=best_bid,
                        model=f"model-{number % 2}",
                    )
                )  # fmt: skip
            await asyncio.sleep(0.02)
        raise AssertionError("too little was traded")


def check(statement: Statement, day: Day) -> None:
    """Compare a statement with what the exchange's lists give."""
    conservation = statement.conservation
    shown = {
        fill.trade_id: (
            fill.ticker, format_price(fill.price_cc), format_size(fill.size_centi), format_micros(fill.fee_micros)
        )
        for fill in statement.fills
    }  # fmt: skip
    assert {key: (a, Decimal(b), Decimal(c), Decimal(d)) for key, (a, b, c, d) in shown.items()} == {
        key: (a, Decimal(b), Decimal(c), Decimal(d)) for key, (a, b, c, d) in day.fills.items()
    }
    assert conservation.fees_micros == statement.profit.fees_micros == micros(day.fees)
    assert conservation.costs_micros == micros(day.costs)
    assert {one.ticker: one.payout_micros for one in statement.settlements} == {
        ticker: micros(paid) for ticker, paid in day.settlements.items()
    }
    assert conservation.returned_micros == micros(day.returned) + sum(map(micros, day.settlements.values()))
    assert conservation.holds and statement.journal.is_verified and statement.is_final
    models = {line.name: line.realized_micros for line in statement.models}
    assert {"model-0", "model-1"} <= set(models)
    assert sum(models.values()) == sum(line.realized_micros for line in statement.markets)


class Trading:
    """A running exchange, ledger and journal, with the services that use them."""

    def __init__(self, folder: Path) -> None:
        self.clock = ShiftedClock(MIDNIGHT_US - 120_000_000)
        settings = paper_settings(markets=6, seed=7, settlement_delay_ms=0)
        self.exchange = PaperExchange(settings, self.clock, structlog.get_logger("paper_exchange"))
        self.path = folder / "journal.jsonl"
        self.bus = RecordingBus()
        self.stack = AsyncExitStack()

    async def __aenter__(self) -> Trading:
        exchange, clock, stack = self.exchange, self.clock, self.stack
        await exchange.start()
        stack.push_async_callback(exchange.aclose)
        server = await BundledServer.start(self.path.parent / "server")
        stack.push_async_callback(server.stop)
        self.ledger = await RedisStore.connect(server.url, "two-days")
        self.ledger.now_us = clock.now_us
        stack.push_async_callback(self.ledger.aclose)
        journal = await FileJournal.open(self.path)
        stack.push_async_callback(journal.aclose)
        self.rest = HttpRestClient(f"{exchange.url}/trade-api/v2", SIGNER, clock)
        stack.push_async_callback(self.rest.aclose)
        self.opening = await self.balance()
        await hold_until_reconciled(self.ledger)
        for service in self._services(journal):
            stack.push_async_callback(Running(service).stop)
        self.trader = Trader(ledger=self.ledger, bus=self.bus)  # type: ignore[arg-type]
        self.trader.clock, self.trader.rest = clock, self.rest  # type: ignore[assignment]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stack.aclose()

    def _services(self, journal: FileJournal) -> tuple[Service, ...]:
        url = f"ws{self.exchange.url.removeprefix('http')}/trade-api/ws/v2"

        def context(name: str) -> Context:
            return make_context(name, self.clock, self.bus)

        return (
            build_reconciler(
                context("reconciler"), ReconcilerSettings(orders_s=1, account_s=2, journal_s=0.1), rest=self.rest,
                ledger=self.ledger, journal=journal,
            ),
            build_fill_listener(
                context("fill_listener"), FillListenerSettings(sweep_s=1), rest=self.rest,
                connector=WebsocketConnector(url, SIGNER, self.clock), ledger=self.ledger,
            ),
            build_execution(
                context("execution"),
                ExecutionSettings(tier="prestige", order_lifetime_s=2, max_account_age_s=900), rest=self.rest,
                ledger=self.ledger,
            ),
        )  # fmt: skip

    async def read(self, path: str, name: str) -> list[Any]:
        return await read_all(self.exchange.url, SIGNER, self.clock, path, name)

    async def balance(self) -> Decimal:
        return Decimal((await self.read("/portfolio/balance", ""))[0]["balance_dollars"])

    async def trade_a_day(self, tickers: list[str]) -> None:
        """Trade until there are more fills, then wait until no order is open."""
        wanted = len(self.bus.of(FILLS)) + FILLS_EACH_DAY
        await self.trader.trade(tickers, wanted, lambda: len(self.bus.of(FILLS)))

    async def until(self, condition: Callable[[LedgerView], bool], what: str) -> LedgerView:
        for _ in range(600):
            view = await self.ledger.view()
            if condition(view):
                return view
            await asyncio.sleep(0.05)
        raise AssertionError(what)


def is_quiet(view: LedgerView) -> bool:
    return not any(market.orders for market in view.markets)


def is_settled(view: LedgerView, ticker: str) -> bool:
    return any(market.ticker == ticker and market.settlement_cc is not None for market in view.markets)


async def trade_two_days(trading: Trading) -> tuple[list[Any], list[Any], Decimal]:
    """Trade before and after midnight, and settle a market; return the exchange's fills, settlements and balance."""
    await trading.until(lambda view: view.account.opened and not view.account.holds, "trading is permitted")
    tickers = [market.ticker for market in await trading.rest.markets(status="open")]
    await trading.trade_a_day(tickers)
    await trading.until(is_quiet, "all orders end")
    assert trading.clock.now_us() < MIDNIGHT_US, "the first day was too short for this machine"
    trading.clock.move_to(MIDNIGHT_US + 1_000_000)
    await trading.trade_a_day(tickers)
    await trading.ledger.apply(Hold(name="wind_down", mode=Mode.HALTED, owner="test"))
    view = await trading.until(is_quiet, "all orders end")
    ticker = next(market.ticker for market in view.markets if market.position_centi)
    source = ActionSource(trading.exchange)
    await source.act(lambda engine, at_us: engine.lifecycle.determine(ticker, 10_000, at_us))
    await trading.until(lambda view: is_settled(view, ticker), "the settlement is recorded")
    return (
        await trading.read("/portfolio/fills", "fills"),
        await trading.read("/portfolio/settlements", "settlements"),
        await trading.balance(),
    )


async def test_statements_equal_the_exchange_across_midnight(tmp_path: Path) -> None:
    async with Trading(tmp_path) as trading:
        fills, settlements, balance = await trade_two_days(trading)
    periods = [period_of(day, ZONE) for day in (FIRST, SECOND)]
    borders = [periods[0].from_us, periods[1].from_us, periods[1].to_us]
    days = recompute(trading.opening, fills, settlements, borders)
    first, second = (
        statement_of_files(trading.path, "two-days", period, periods[1].to_us + 1) for period in periods
    )  # fmt: skip
    check(first, days[0])
    check(second, days[1])
    assert first.closing.cash_micros == micros(days[0].closing) == second.conservation.opening_micros
    assert second.closing.cash_micros == micros(days[1].closing) == micros(balance)
    assert [flow.kind for flow in first.flows] == ["opening"] and not second.flows
    assert first.flows[0].amount_micros == micros(trading.opening)
    assert first.journal.last_seq + 1 == second.journal.first_seq
    heads = {one.journal.last_seq: one.journal.head or "" for one in (first, second)}
    report = verify_journal(trading.path, heads)
    assert (report.problem, report.heads) == ("", 2)
