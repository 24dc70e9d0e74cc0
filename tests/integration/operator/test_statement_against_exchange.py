"""Statements of two days equal, to the micro-dollar, what the exchange's REST gives; all parts are real."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from support.contract_harnesses import ActionSource
from support.execution_harness import ExecutionHarness, RecordingBus, ask, bid
from support.paper_client import SIGNER, paper_settings
from support.rest_statement import Day, micros, read_all, recompute
from support.services import Running, make_context, until
from truebook.clock import SystemClock
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.stream.connection import WebsocketConnector
from truebook.ledger.journal.file import FileJournal
from truebook.ledger.journal.verify import verify_journal
from truebook.ledger.redis.bundled import BundledServer
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.verbs import Hold, Mode
from truebook.messages.actions import OmittedSides
from truebook.messages.topics import FILLS
from truebook.money import format_micros, format_price, format_size
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


async def wait_for(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    for _ in range(600):
        if await condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(what)


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


async def test_statements_equal_the_exchange_across_midnight(tmp_path: Path) -> None:
    clock = ShiftedClock(MIDNIGHT_US - 120_000_000)
    settings = paper_settings(markets=6, seed=7, settlement_delay_ms=0)
    exchange, signer = PaperExchange(settings, clock, structlog.get_logger("paper_exchange")), SIGNER
    await exchange.start()
    rest = HttpRestClient(f"{exchange.url}/trade-api/v2", signer, clock)
    connector = WebsocketConnector(f"ws{exchange.url.removeprefix('http')}/trade-api/ws/v2", signer, clock)
    server = await BundledServer.start(tmp_path / "server")
    ledger, bus = await RedisStore.connect(server.url, "two-days"), RecordingBus()
    ledger.now_us = clock.now_us
    journal = await FileJournal.open(tmp_path / "journal.jsonl")
    opening = Decimal((await read_all(exchange.url, signer, clock, "/portfolio/balance", ""))[0]["balance_dollars"])
    await hold_until_reconciled(ledger)
    services = (
        build_reconciler(
            make_context("reconciler", clock, bus), ReconcilerSettings(orders_s=1, account_s=2, journal_s=0.1),
            rest=rest, ledger=ledger, journal=journal,
        ),
        build_fill_listener(
            make_context("fill_listener", clock, bus), FillListenerSettings(sweep_s=1), rest=rest,
            connector=connector, ledger=ledger,
        ),
        build_execution(
            make_context("execution", clock, bus),
            ExecutionSettings(tier="prestige", order_lifetime_s=2, max_account_age_s=900), rest=rest, ledger=ledger,
        ),
    )  # fmt: skip
    running = [Running(service) for service in services]
    trader = Trader(ledger=ledger, bus=bus)  # type: ignore[arg-type]
    trader.clock, trader.rest = clock, rest  # type: ignore[assignment]
    try:
        await until(lambda: not any(service.not_ready() for service in services), "all are ready", 10)

        async def permitted() -> bool:
            return not (await ledger.view(())).account.holds

        async def is_quiet() -> bool:
            return not any(market.orders for market in (await ledger.view(None)).markets)

        await wait_for(permitted, "trading is permitted")
        tickers = [market.ticker for market in await rest.markets(status="open")]
        await trader.trade(tickers, FILLS_EACH_DAY, lambda: len(bus.of(FILLS)))
        await wait_for(is_quiet, "all orders end")
        assert clock.now_us() < MIDNIGHT_US, "the first day was too short for this machine"
        clock.move_to(MIDNIGHT_US + 1_000_000)
        before = len(bus.of(FILLS))
        await trader.trade(tickers, before + FILLS_EACH_DAY, lambda: len(bus.of(FILLS)))
        await ledger.apply(Hold(name="wind_down", mode=Mode.HALTED, owner="test"))
        await wait_for(is_quiet, "all orders end")
        settled = next(market for market in (await ledger.view(None)).markets if market.position_centi)
        source = ActionSource(exchange)
        await source.act(lambda engine, at_us: engine.lifecycle.determine(settled.ticker, 10_000, at_us))

        async def is_settled() -> bool:
            market = (await ledger.view((settled.ticker,))).market(settled.ticker)
            return market is not None and market.settlement_cc is not None

        await wait_for(is_settled, "the settlement is recorded")
        fills = await read_all(exchange.url, signer, clock, "/portfolio/fills", "fills")
        settlements = await read_all(exchange.url, signer, clock, "/portfolio/settlements", "settlements")
        balance = (await read_all(exchange.url, signer, clock, "/portfolio/balance", ""))[0]["balance_dollars"]
    finally:
        for one in reversed(running):
            await one.stop()
        await rest.aclose()
        await journal.aclose()
        await ledger.aclose()
        await server.stop()
        await exchange.aclose()

    periods = [period_of(day, ZONE) for day in (FIRST, SECOND)]
    borders = [periods[0].from_us, periods[1].from_us, periods[1].to_us]
    days = recompute(opening, fills, settlements, borders)
    made_us = periods[1].to_us + 1
    first, second = (statement_of_files(journal.path, "two-days", period, made_us) for period in periods)
    check(first, days[0])
    check(second, days[1])
    assert first.closing.cash_micros == micros(days[0].closing) == second.conservation.opening_micros
    assert second.closing.cash_micros == micros(days[1].closing) == micros(Decimal(balance))
    assert [flow.kind for flow in first.flows] == ["opening"] and not second.flows
    assert first.flows[0].amount_micros == micros(opening)
    assert first.journal.last_seq + 1 == second.journal.first_seq
    heads = {one.journal.last_seq: one.journal.head or "" for one in (first, second)}
    report = verify_journal(journal.path, heads)
    assert (report.problem, report.heads) == ("", 2)
