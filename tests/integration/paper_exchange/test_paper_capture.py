"""Capture mode: a recording as the market, with orders of an account."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import structlog

from support.paper_client import fold, paper_settings, rest_book, running, until
from support.recordings import recording
from support.simulated_exchange import metadata
from truebook.capture.reader import read_capture
from truebook.capture.writer import CaptureWriter
from truebook.clock import ManualClock, ScaledClock
from truebook.kalshi.wire.times import to_rfc3339
from truebook.messages.envelope import Source
from truebook_services.paper_exchange.server import PaperExchange

START_US = 1_764_000_000_000_000
SECOND_US = 1_000_000
A, B = "SIMTEST-1-A", "SIMTEST-1-B"


def snapshot(ticker: str, seq: int, yes: list[list[str]], no: list[list[str]]) -> dict[str, Any]:
    body = {"market_ticker": ticker, "market_id": "m", "clock": seq, "yes_dollars_fp": yes, "no_dollars_fp": no}
    return {"type": "orderbook_snapshot", "sid": 1, "seq": seq, "msg": body}


def delta(ticker: str, seq: int, side: str, price: str, change: str) -> dict[str, Any]:
    body = {
        "market_ticker": ticker,
        "market_id": "m",
        "clock": seq,
        "price_dollars": price,
        "delta_fp": change,
        "side": side,
    }
    return {"type": "orderbook_delta", "sid": 1, "seq": seq, "msg": body}


def trade(ticker: str, seq: int, price: str, count: str, taker: str, at_us: int) -> dict[str, Any]:
    body = {
        "trade_id": f"recorded-{seq}",
        "market_ticker": ticker,
        "yes_price_dollars": price,
        "no_price_dollars": "0.0000",
        "count_fp": count,
        "taker_outcome_side": taker,
        "taker_book_side": "bid" if taker == "yes" else "ask",
        "taker_side": taker,
        "is_block_trade": False,
        "ts": at_us // SECOND_US,
        "ts_ms": at_us // 1000,
    }
    return {"type": "trade", "sid": 2, "seq": seq, "msg": body}


def own_fill(ticker: str) -> dict[str, Any]:
    body = {
        "trade_id": "the-recorders", "order_id": "the-recorders", "client_order_id": "theirs", "market_ticker": ticker,
        "exchange_index": 0, "is_taker": True, "side": "yes", "yes_price_dollars": "0.5200", "count_fp": "1.00",
        "fee_cost": "0.017500", "action": "buy", "ts": 1, "ts_ms": 1000, "post_position_fp": "1.00",
        "purchased_side": "yes", "outcome_side": "yes", "book_side": "bid",
    }  # fmt: skip
    return {"type": "fill", "sid": 3, "msg": body}


def record(folder: Path, frames: Iterable[tuple[float, dict[str, Any]]], tickers: Iterable[str] = (A, B)) -> Path:
    """Write a recording: (seconds from its start, frame)."""
    with CaptureWriter(folder, source=Source.DEMO, hosts=["example"]) as writer:
        writer.add_markets(
            metadata(ticker, open_us=START_US - 86_400 * SECOND_US, close_us=START_US + 86_400 * SECOND_US)
            for ticker in tickers
        )
        for seconds, frame in frames:
            writer.add_frame(START_US + int(seconds * SECOND_US), 0, json.dumps(frame))
    return folder


FRAMES = [
    (0.0, snapshot(A, 1, [["0.4700", "3.00"]], [["0.4800", "2.00"]])),
    (0.0, snapshot(B, 2, [["0.1000", "5.00"]], [])),
    (1.0, delta(A, 3, "yes", "0.4700", "4.00")),
    (1.5, own_fill(A)),
    (2.0, delta(B, 4, "no", "0.8500", "7.50")),
    (3.0, trade(A, 1, "0.4500", "6.00", "no", START_US + 3 * SECOND_US)),
    (4.0, delta(A, 5, "yes", "0.4700", "-7.00")),
    (5.0, delta(A, 6, "yes", "0.4600", "1.00")),
]


async def test_a_recording_is_the_public_feed_and_fills_our_orders(tmp_path: Path) -> None:
    clock = ScaledClock(START_US, 8.0, lead_us=600 * SECOND_US)
    settings = paper_settings(capture=record(tmp_path / "capture", FRAMES))
    async with running(settings, clock) as client, client.socket() as listener:
        exchange = client.exchange
        assert [market["ticker"] for market in (await client.get("/markets"))["markets"]] == [A, B]
        await listener.send("subscribe", channels=["orderbook_delta", "trade"], market_tickers=[A, B])
        await listener.send("subscribe", channels=["fill", "user_orders"])
        await listener.until(lambda frame: frame.get("msg", {}).get("channel") == "user_orders")
        rested = await client.create(A, price="0.4600", count="4.00")
        assert (rested["fill_count"], rested["remaining_count"]) == ("0.00", "4.00")
        clock.start()
        fill = await listener.until(lambda frame: frame["type"] == "fill")
        assert (fill["msg"]["order_id"], fill["msg"]["simulation_basis"]) == (rested["order_id"], "trade_through")
        assert fill["msg"]["yes_price_dollars"] == "0.4600"
        await until(exchange.finished.is_set)
        await listener.until(
            lambda frame: frame["type"] == "orderbook_delta" and frame["msg"]["price_dollars"] == "0.4600"
        )
        for ticker, book in (
            (A, {"yes": {"0.4600": 100}, "no": {"0.4800": 200}}),
            (B, {"yes": {"0.1000": 500}, "no": {"0.8500": 750}}),
        ):
            assert fold(listener.frames, ticker) == book
            assert rest_book(await client.get(f"/markets/{ticker}/orderbook")) == book
        for sid in (1, 2):
            numbers = [frame["seq"] for frame in listener.frames if frame.get("sid") == sid and "seq" in frame]
            assert numbers == list(range(1, len(numbers) + 1))
        fills = (await client.get("/portfolio/fills"))["fills"]
        assert {one["order_id"] for one in fills} == {rested["order_id"]}
        assert "the-recorders" not in json.dumps(listener.frames)
        assert [one["trade_id"] for one in (await client.get("/markets/trades"))["trades"]] == ["recorded-1"]
        assert (await client.get("/portfolio/positions"))["market_positions"][0]["position_fp"] == "4.00"


async def test_exchange_time_is_the_recordings_time(tmp_path: Path) -> None:
    settings = paper_settings(capture=record(tmp_path / "capture", FRAMES))
    async with running(settings, ManualClock(START_US)) as client:
        response = await client.call("GET", "/exchange/user_data_timestamp")
        assert response.json() == {"as_of_time": to_rfc3339(START_US)}
        assert response.headers["date"] == "Mon, 24 Nov 2025 16:00:00 GMT"


def manual(folder: Path, capture: Path) -> tuple[PaperExchange, ManualClock]:
    """An exchange on a recording, without sockets: the test ticks it."""
    clock = ManualClock(START_US)
    exchange = PaperExchange(paper_settings(folder, capture=capture), clock, structlog.get_logger())
    exchange.prepare()
    return exchange, clock


async def test_books_are_empty_after_lost_frames_until_a_snapshot(tmp_path: Path) -> None:
    frames = [
        (0.0, snapshot(A, 1, [["0.4700", "3.00"]], [["0.4800", "2.00"]])),
        (1.0, delta(A, 3, "yes", "0.4700", "4.00")),
        (2.0, snapshot(A, 4, [["0.4700", "9.00"]], [["0.4800", "1.00"]])),
    ]
    exchange, clock = manual(tmp_path / "state", record(tmp_path / "capture", frames, [A]))
    sizes = []
    for seconds in (0, 1, 2):
        clock.set(START_US + seconds * SECOND_US)
        exchange.tick()
        sizes.append(len(exchange.state.engine.queries.book(A).levels("bid")))  # type: ignore[arg-type]
    assert sizes == [1, 0, 1]
    await exchange.aclose()


async def test_a_killed_exchange_continues_the_same_recording(tmp_path: Path) -> None:
    capture = record(tmp_path / "capture", FRAMES)
    exchange, clock = manual(tmp_path / "state", capture)
    clock.set(START_US + 2 * SECOND_US)
    exchange.tick()
    position = exchange.state.core.source.position
    await exchange.aclose()
    back, clock = manual(tmp_path / "state", capture)
    assert back.state.core.source.position == position
    assert back.now_us() == START_US + 2 * SECOND_US
    clock.set(START_US + 10 * SECOND_US)
    back.tick()
    assert back.finished.is_set()
    await back.aclose()


async def test_a_real_recording_is_published_frame_by_frame() -> None:
    path = recording("ws", "jfreun123_demo_20260701_session.jsonl")
    frames = [msgspec.json.decode(frame.text) for frame in read_capture(path)]
    tickers = sorted({frame["msg"]["market_ticker"] for frame in frames if frame["type"] == "orderbook_snapshot"})
    first_us = next(iter(read_capture(path))).at_us
    clock = ManualClock(first_us)
    exchange = PaperExchange(paper_settings(capture=path, max_queued_frames=100_000), clock, structlog.get_logger())
    exchange.prepare()
    session = exchange.hub.open_session("sim-main", lambda: None)
    command = {
        "id": 1,
        "cmd": "subscribe",
        "params": {"channels": ["orderbook_delta", "fill"], "market_tickers": tickers},
    }
    session.receive(json.dumps(command))
    last_us = max(frame.at_us for frame in read_capture(path))
    clock.set(last_us)
    while not exchange.tick():
        pass
    assert exchange.finished.is_set()
    published = []
    while (frame := session.take()) is not None:
        published.append(msgspec.json.decode(frame))
    assert "fill" not in {frame["type"] for frame in published}
    assert len(published) > 2_800
    for ticker in tickers:
        assert fold(published, ticker) == fold(frames, ticker)
    await exchange.aclose()


async def test_candles_of_a_recording_begin_with_it(tmp_path: Path) -> None:
    exchange, clock = manual(tmp_path / "exchange", record(tmp_path / "capture", FRAMES))
    clock.set(START_US + 90 * SECOND_US)
    while not exchange.tick():
        pass
    transport = httpx.ASGITransport(app=exchange.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://exchange") as http:
        start_s = START_US // SECOND_US
        span = {"start_ts": start_s - 7_200, "end_ts": start_s + 600, "period_interval": 1}
        path = f"/trade-api/v2/series/SIMTEST/markets/{A}/candlesticks"
        rows = (await http.get(path, params=span)).json()["candlesticks"]
    await exchange.aclose()
    assert rows[-1]["end_period_ts"] == start_s + 60
    assert rows[-1]["price"]["close_dollars"] == "0.4500"
    assert rows[-1]["volume_fp"] == "6.00"
    assert rows[-1]["yes_bid"]["close_dollars"] == "0.4600"
    assert rows[-1]["yes_ask"]["close_dollars"] == "0.5200"
    assert len(rows) <= 2
