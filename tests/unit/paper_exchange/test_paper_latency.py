"""Delayed commands see exactly the market events up to their arrival, also when a restart replays them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from support.paper_client import paper_settings
from truebook.capture.writer import CaptureWriter
from truebook.clock import ManualClock
from truebook.messages.envelope import BookSide, Source
from truebook.venue.account import CreateResponse, OrderRequest
from truebook_services.paper_exchange.engine.commands import CommandResult, PlaceOrder
from truebook_services.paper_exchange.engine.journal_errors import ExchangeJournalMismatch
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import CAPTURE_JITTER_US, CAPTURE_LATENCY_US, PaperExchangeSettings

START_US = 1_764_000_000_000_000
TICKER = "KXREC-26NOV24-T50"
ACCOUNT = "sim-main"
# The ask at 0.53 shrinks by one contract every 10 ms: the size that an order takes there shows when it arrived.
SIZES = [10, 9, 8, 7, 6, 5]


def frames() -> Iterator[tuple[int, str]]:
    body = f'"market_ticker":"{TICKER}"'
    yield (
        0,
        f'{{"type":"orderbook_snapshot","sid":1,"seq":1,"msg":{{{body},"yes_dollars_fp":[["0.5000","1.00"]],'
        f'"no_dollars_fp":[["0.4700","{SIZES[0]}.00"]]}}}}',
    )
    for number in range(1, len(SIZES)):
        yield (
            number * 10_000,
            f'{{"type":"orderbook_delta","sid":1,"seq":{number + 1},"msg":{{{body},"side":"no",'
            '"price_dollars":"0.4700","delta_fp":"-1.00"}}',
        )


def recording(folder: Path) -> Path:
    with CaptureWriter(folder / "recording", source=Source.DEMO, hosts=["example"]) as writer:
        for at_us, text in frames():
            writer.add_frame(START_US + at_us, 0, text)
    return folder / "recording"


def opened(folder: Path, capture: Path, clock: ManualClock, **changes: Any) -> PaperExchange:
    settings = paper_settings(folder / "state", capture=capture, **changes)
    exchange = PaperExchange(settings, clock, structlog.get_logger())
    exchange.prepare()
    return exchange


async def send(
    exchange: PaperExchange, number: int, arrive_us: int | None, side: BookSide = BookSide.BID
) -> asyncio.Future[list[CommandResult]]:
    """Send an order for 20 at the ask of 0.53: a bid takes the available size, an ask joins the queue."""
    order = OrderRequest(
        ticker=TICKER, client_order_id=f"c{number}", book_side=side, price_cc=5_300, size_centi=2_000
    )  # fmt: skip
    waiting = asyncio.ensure_future(exchange.state.core.execute([PlaceOrder(ACCOUNT, order)], arrive_us))
    await asyncio.sleep(0)
    return waiting


@pytest.mark.parametrize(
    ("arrive_us", "found"),
    [(0, 10), (1, 10), (9_999, 10), (10_000, 9), (10_001, 9), (34_000, 7), (50_000, 5), (70_000, 5), (None, 5)],
)
async def test_an_order_trades_on_the_book_of_its_arrival_time(
    tmp_path: Path, arrive_us: int | None, found: int
) -> None:
    clock = ManualClock(START_US)
    exchange = opened(tmp_path, recording(tmp_path), clock)
    exchange.tick()
    waiting = await send(exchange, 1, None if arrive_us is None else START_US + arrive_us)
    clock.set(START_US + 100_000)
    while not exchange.tick():
        pass
    [response] = await waiting
    assert isinstance(response, CreateResponse)
    assert response.filled_centi == found * 100
    if arrive_us:
        assert response.processed_us == START_US + arrive_us
    await exchange.aclose()


async def test_no_command_is_executed_before_its_arrival(tmp_path: Path) -> None:
    clock = ManualClock(START_US)
    exchange = opened(tmp_path, recording(tmp_path), clock)
    waiting = await send(exchange, 1, START_US + 25_000)
    clock.set(START_US + 24_999)
    exchange.tick()
    assert not waiting.done()
    assert exchange.state.core.next_due_us() == START_US + 25_000
    clock.set(START_US + 25_000)
    exchange.tick()
    assert (await waiting)[0] is not None
    await exchange.aclose()


async def test_equal_arrivals_are_executed_in_submission_order(tmp_path: Path) -> None:
    clock = ManualClock(START_US)
    exchange = opened(tmp_path, recording(tmp_path), clock)
    sent = [await send(exchange, number, START_US + 15_000) for number in range(3)]
    clock.set(START_US + 20_000)
    exchange.tick()
    filled = [
        response.filled_centi for waiting in sent for response in await waiting if isinstance(response, CreateResponse)
    ]
    assert filled == [900, 0, 0]
    await exchange.aclose()


async def test_a_restart_replays_orders_between_the_same_frames(tmp_path: Path) -> None:
    clock = ManualClock(START_US)
    capture = recording(tmp_path)
    exchange = opened(tmp_path, capture, clock)
    for number, arrive_us in enumerate((12_000, 31_000, 43_000)):
        await send(exchange, number, START_US + arrive_us)
    clock.set(START_US + 100_000)
    exchange.tick()
    before = (exchange.state.engine.queries.orders(ACCOUNT), exchange.state.engine.queries.fills(ACCOUNT))
    assert len(before[1]) >= 1
    await exchange.aclose()
    again = opened(tmp_path, capture, clock)
    assert (again.state.engine.queries.orders(ACCOUNT), again.state.engine.queries.fills(ACCOUNT)) == before
    await again.aclose()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (0, 0, 0)),
        ({"capture": Path("x")}, (CAPTURE_LATENCY_US, CAPTURE_LATENCY_US, CAPTURE_JITTER_US)),
        ({"capture": Path("x"), "order_latency_us": 0, "latency_jitter_us": 0}, (0, 0, 0)),
        ({"capture": Path("x"), "cancel_latency_us": 7}, (CAPTURE_LATENCY_US, 7, CAPTURE_JITTER_US)),
        ({"order_latency_us": 9}, (9, 9, 0)),
    ],
)
def test_a_capture_has_a_default_latency(given: dict[str, Any], expected: tuple[int, int, int]) -> None:
    latency = PaperExchangeSettings(**given).latency
    assert (latency.order_us, latency.cancel_us, latency.jitter_us) == expected


async def test_the_queue_model_is_kept_by_the_journal(tmp_path: Path) -> None:
    clock, capture = ManualClock(START_US), recording(tmp_path)
    hopeful = opened(tmp_path, capture, clock, queue="optimistic")
    resting = await send(hopeful, 1, START_US + 1, side=BookSide.ASK)
    clock.set(START_US + 100_000)
    hopeful.tick()
    [response] = await resting
    assert isinstance(response, CreateResponse)
    # It was behind 10, of which 5 were cancelled: all of them ahead of it.
    assert hopeful.state.engine.queries.queue_position(ACCOUNT, response.exchange_order_id) == 500
    await hopeful.aclose()
    again = opened(tmp_path, capture, clock)
    assert again.state.engine.queries.queue_position(ACCOUNT, response.exchange_order_id) == 500
    await again.aclose()
    with pytest.raises(ExchangeJournalMismatch, match="queue"):
        opened(tmp_path, capture, clock, queue="realistic")


@pytest.mark.parametrize("name", ["cancel_latency_us", "latency_jitter_us"])
def test_a_latency_that_a_profile_would_ignore_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} has no effect beside latency_profile"):
        paper_settings(latency_profile="home", **{name: 5})
    given = paper_settings(latency_profile="home", order_latency_us=1, **{name: 5}).latency
    assert 5 in (given.cancel_us, given.jitter_us)
