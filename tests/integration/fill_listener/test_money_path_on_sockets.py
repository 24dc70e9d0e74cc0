"""Execution, fill listener and reconciler over real HTTP and WebSocket, with lost responses and dropped sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from support.execution_harness import ExecutionHarness, RecordingBus, ask, bid
from support.services import Running, make_context, until
from truebook.clock import SystemClock
from truebook.kalshi.port import NotFound
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import load_signer
from truebook.kalshi.stream.connection import WebsocketConnector
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.verbs import Hold, Mode
from truebook.messages.actions import OmittedSides
from truebook.messages.market_metadata import MarketStatus
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.topics import FILLS, ORDERS
from truebook.simulation.synthetic.presets import Preset
from truebook_services.execution.service import build as build_execution
from truebook_services.execution.settings import ExecutionSettings
from truebook_services.fill_listener.service import build as build_fill_listener
from truebook_services.fill_listener.settings import FillListenerSettings
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings
from truebook_services.reconciler.compare import compare_exactly
from truebook_services.reconciler.service import build as build_reconciler
from truebook_services.reconciler.settings import ReconcilerSettings
from truebook_services.reconciler.startup import hold_until_reconciled

FAULTS = ("lost_ack@every=6", "drop_socket@t=1.5", "late_fill@every=5")


class Trader(ExecutionHarness):
    """Replaces ingest, observation and policy: reads a market by REST and decides."""

    rest: HttpRestClient

    async def decide(self, ticker: str, number: int) -> None:
        """Publish the market's book, then quote inside it or take the best price."""
        try:
            market, book = await self.rest.market(ticker), await self.rest.book(ticker)
        except NotFound:
            return
        if market.status is not MarketStatus.ACTIVE or not book.bids or not book.asks:
            return
        await self.publish_metadata(market)
        await self.snapshot(ticker, bids=book.bids, asks=book.asks)
        (best_bid, _), (best_ask, _) = book.bids[0], book.asks[0]
        takes = number % 3 == 0
        targets = (
            bid(best_ask if takes else best_bid, 300),
            ask(best_ask if number % 2 else best_ask + market.price_ranges[0].step_cc, 300),
        )
        targets = targets[:1] if takes else targets
        await self.send(self.action(*targets, ticker=ticker, omitted_sides=OmittedSides.CANCEL, reference_cc=best_bid))


async def test_ledger_equals_exchange_after_seconds_of_trading(tmp_path: Path) -> None:
    clock = SystemClock()
    settings = PaperExchangeSettings(
        markets=6, seed=7, preset=Preset.EASY, tier="prestige", state_folder=tmp_path, faults=FAULTS,
        settlement_delay_ms=200
    )  # fmt: skip
    exchange = PaperExchange(settings, clock, structlog.get_logger("paper_exchange"))
    await exchange.start()
    assert exchange.private_key_file is not None
    signer = load_signer(exchange.key_id, exchange.private_key_file)
    rest = HttpRestClient(f"{exchange.url}/trade-api/v2", signer, clock)
    connector = WebsocketConnector(f"ws{exchange.url.removeprefix('http')}/trade-api/ws/v2", signer, clock)
    ledger, bus = MemoryStore("sockets"), RecordingBus()
    await hold_until_reconciled(ledger)
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
            make_context("execution", clock, bus), ExecutionSettings(tier="prestige", order_lifetime_s=6), rest=rest,
            ledger=ledger,
        ),
    )  # fmt: skip
    running = [Running(service) for service in services]
    try:
        trader = Trader(ledger=ledger, bus=bus)
        trader.clock, trader.rest = clock, rest  # type: ignore[assignment]
        await until(lambda: not any(service.not_ready() for service in services), "all are ready", 10)
        await until(lambda: not ledger.ledger.view(()).account.holds, "trading is permitted", 10)
        tickers = [market.ticker for market in await rest.markets(status="open")]
        number = 0
        while len(bus.of(FILLS)) < 60 or number < 60:
            for ticker in tickers:
                await trader.decide(ticker, number)
            number += 1
            assert number < 300, "too little was traded"
        await ledger.apply(Hold(name="wind_down", mode=Mode.HALTED, owner="test"))
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
        view = await ledger.view()
        account = view.account
        assert (view.conservation_error_micros, account.adjustments_micros, account.parked) == (0, 0, 0)
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
