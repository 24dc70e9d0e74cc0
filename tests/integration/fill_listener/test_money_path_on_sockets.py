"""The money path against the simulated exchange over real HTTP and WebSocket, with lost answers and cut sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from support.execution_rig import RecordingBus, Rig, Running, ask, bid, make_context, until
from truebook.clock import SystemClock
from truebook.kalshi.port import NotFound
from truebook.kalshi.rest import HttpRestClient
from truebook.kalshi.signing import load_signer
from truebook.kalshi.stream import WebsocketConnector
from truebook.ledger.memory_store import MemoryStore
from truebook.messages.actions import Unmentioned
from truebook.messages.facts import MarketStatus
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.topics import FILLS, ORDERS
from truebook_services.execution.service import build as build_execution
from truebook_services.execution.settings import ExecutionSettings
from truebook_services.fill_listener.service import build as build_fill_listener
from truebook_services.fill_listener.settings import FillListenerSettings
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings
from truebook_services.reconciler.compare import compare_exactly
from truebook_services.reconciler.service import build as build_reconciler
from truebook_services.reconciler.settings import ReconcilerSettings
from truebook_services.reconciler.startup import begin

FAULTS = ("lost_ack@every=6", "drop_socket@t=1.5", "late_fill@every=5")


class Trader(Rig):
    """Stands in for ingest, observation and policy: reads a market by REST and decides."""

    rest: HttpRestClient

    async def turn(self, ticker: str, number: int) -> None:
        """Tell the market's book, then quote inside it, or take what is there."""
        try:
            facts, book = await self.rest.market(ticker), await self.rest.book(ticker)
        except NotFound:
            return
        if facts.status is not MarketStatus.ACTIVE or not book.bids or not book.asks:
            return
        await self.tell_facts(facts)
        await self.snapshot(ticker, bids=book.bids, asks=book.asks)
        (best_bid, _), (best_ask, _) = book.bids[0], book.asks[0]
        takes = number % 3 == 0
        targets = (
            bid(best_ask if takes else best_bid, 300),
            ask(best_ask if number % 2 else best_ask + facts.price_ranges[0].step_cc, 300),
        )
        wanted = targets[:1] if takes else targets
        await self.send(self.action(*wanted, ticker=ticker, unmentioned=Unmentioned.PULL, reference_cc=best_bid))


async def test_the_books_are_true_after_a_lively_few_seconds(tmp_path: Path) -> None:
    clock = SystemClock()
    settings = PaperExchangeSettings(
        markets=6, seed=7, tier="prestige", state_folder=tmp_path, faults=FAULTS, settlement_delay_ms=200
    )  # fmt: skip
    exchange = PaperExchange(settings, clock, structlog.get_logger("paper_exchange"))
    await exchange.start()
    assert exchange.private_key_file is not None
    signer = load_signer(exchange.key_id, exchange.private_key_file)
    rest = HttpRestClient(f"{exchange.url}/trade-api/v2", signer, clock)
    connector = WebsocketConnector(f"ws{exchange.url.removeprefix('http')}/trade-api/ws/v2", signer, clock)
    ledger, bus = MemoryStore("sockets"), RecordingBus()
    await begin(ledger)
    services = (
        build_reconciler(
            make_context("reconciler", clock, bus), ReconcilerSettings(orders_s=1, account_s=2), rest=rest,
            ledger=ledger,
        ),
        build_fill_listener(
            make_context("fill_listener", clock, bus), FillListenerSettings(sweep_s=1), rest=rest,
            connector=connector, ledger=ledger,
        ),
        build_execution(
            make_context("execution", clock, bus), ExecutionSettings(tier="prestige", order_life_s=6), rest=rest,
            ledger=ledger,
        ),
    )  # fmt: skip
    running = [Running(service) for service in services]
    try:
        trader = Trader(ledger=ledger, bus=bus)
        trader.clock, trader.rest = clock, rest  # type: ignore[assignment]
        await until(lambda: not any(service.not_ready() for service in services), "all are ready", 10)
        await until(lambda: not ledger.ledger.view(()).account.holds, "trading may begin", 10)
        tickers = [facts.ticker for facts in await rest.markets(status="open")]
        number = 0
        while len(bus.of(FILLS)) < 60 or number < 60:
            for ticker in tickers:
                await trader.turn(ticker, number)
            number += 1
            assert number < 300, "too little was traded"
        await ledger.hold("wind_down", "halted", "test")
        await until(
            lambda: not any(market.orders for market in ledger.ledger.view(None).markets), "all orders end", 20
        )  # fmt: skip
        found: tuple[object, ...] = ("not compared",)
        for _ in range(20):
            found = await compare_exactly(rest, ledger)
            if not found:
                break
            await asyncio.sleep(0.2)
        assert found == ()
        account = (await ledger.view()).account
        assert (account.conservation_error_micros, account.adjustments_micros, account.parked) == (0, 0, 0)
        assert {hold.name for hold in account.holds} == {"wind_down"}
        events: list[OrderEvent] = bus.of(ORDERS)
        outcomes = {event.outcome for event in events}
        assert {OrderOutcome.ACKNOWLEDGED, OrderOutcome.UNKNOWN, OrderOutcome.RESOLVED} <= outcomes
        assert OrderOutcome.CANCELLED in outcomes
    finally:
        for one in running:
            await one.stop()
        await rest.aclose()
        await exchange.aclose()
