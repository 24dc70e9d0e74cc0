"""WebSocket over a real connection: upgrade, books equal to REST, order of private frames, heartbeats."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import websockets

from support.kalshi_required import SEQUENCED, STREAM, lacking
from support.paper_client import SIGNER, Listener, PaperClient, fold, paper_settings, rest_book, running, until

PATH = "/trade-api/ws/v2"
PUBLIC = ["orderbook_delta", "trade", "ticker"]
PRIVATE = ["fill", "user_orders", "market_positions"]


@pytest_asyncio.fixture
async def client() -> AsyncIterator[PaperClient]:
    async with running(paper_settings()) as made:
        yield made


@pytest.mark.parametrize("wrong", ["unsigned", "old", "other path"])
async def test_an_upgrade_without_a_valid_signature_is_a_401(client: PaperClient, wrong: str) -> None:
    now_ms = client.exchange.now_us() // 1000
    headers = {
        "unsigned": {},
        "old": SIGNER.headers("GET", PATH, now_ms - 60_000),
        "other path": SIGNER.headers("GET", "/trade-api/v2/markets", now_ms),
    }[wrong]
    url = client.exchange.url.replace("http", "ws", 1) + PATH
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with websockets.connect(url, additional_headers=headers):
            pass
    assert caught.value.response.status_code == 401
    assert b'"error"' in caught.value.response.body


async def test_other_paths_have_no_websocket(client: PaperClient) -> None:
    url = client.exchange.url.replace("http", "ws", 1) + "/trade-api/ws/v9"
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with websockets.connect(url):
            pass
    assert caught.value.response.status_code == 404


async def test_snapshots_and_deltas_add_up_to_the_rest_books(client: PaperClient) -> None:
    await client.two_sided()
    tickers = [one["ticker"] for one in (await client.get("/markets", status="open"))["markets"]]
    async with client.socket() as listener:
        await listener.send("subscribe", channels=["orderbook_delta"], market_tickers=tickers)
        for ticker in tickers[:3]:
            await client.create(ticker, price="0.0300")
        await listener.until(lambda frame: len(listener.of_type("orderbook_delta")) >= 15)

        async def equal() -> bool:
            pending = asyncio.ensure_future(listener.next())
            await asyncio.wait([pending], timeout=0.05)
            if not pending.done():
                pending.cancel()
            books = await client.get("/markets/orderbooks", tickers=tickers)
            return all(fold(listener.frames, one["ticker"]) == rest_book(one) for one in books["orderbooks"])

        await until(equal)
        numbers = [frame["seq"] for frame in listener.frames if "seq" in frame]
        assert numbers == list(range(1, len(numbers) + 1))


async def _traded(client: PaperClient, listener: Listener) -> str:
    """Take and rest in one market; read until every frame of it was received."""
    market = await client.two_sided()
    ticker: str = market["ticker"]
    await listener.send("subscribe", channels=PUBLIC, market_tickers=[ticker])
    await listener.send("subscribe", channels=PRIVATE)
    await listener.until(lambda frame: frame.get("msg", {}).get("channel") == PRIVATE[-1])
    await client.create(ticker, price="0.9900", time_in_force="immediate_or_cancel", client_order_id="taker")
    rested = await client.create(ticker, client_order_id="rested")
    await client.cancel(rested["order_id"])
    await listener.until(lambda frame: frame["type"] == "user_order" and frame["msg"]["status"] == "canceled")
    await listener.until(lambda frame: frame["type"] == "ticker")
    return ticker


async def test_frames_have_the_required_fields_and_seq_if_sequenced(client: PaperClient) -> None:
    async with client.socket() as listener:
        await _traded(client, listener)
        kinds = {frame["type"] for frame in listener.frames}
        assert kinds >= {
            "orderbook_snapshot",
            "orderbook_delta",
            "trade",
            "ticker",
            "fill",
            "user_order",
            "market_position",
        }
        for frame in listener.frames:
            assert isinstance(frame["sending_ts_ms"], int)
            if frame["type"] in STREAM:
                assert lacking(STREAM, frame["type"], frame["msg"]) == [], frame
            if frame["type"] != "error":
                assert ("seq" in frame) == (frame["type"] in SEQUENCED), frame


async def test_an_order_update_precedes_its_fills(client: PaperClient) -> None:
    async with client.socket() as listener:
        await _traded(client, listener)
        mine = [frame for frame in listener.frames if frame["type"] in ("user_order", "fill")]
        assert [(frame["type"], frame["msg"]["client_order_id"]) for frame in mine[:2]] == [
            ("user_order", "taker"),
            ("fill", "taker"),
        ]
        order, fill = mine[0]["msg"], next(frame["msg"] for frame in mine if frame["type"] == "fill")
        assert (order["status"], order["fill_count_fp"]) == ("executed", "2.00")
        assert fill["simulation_basis"] == "synthetic"
        fills = (await client.get("/portfolio/fills"))["fills"]
        assert fill["trade_id"] in [one["trade_id"] for one in fills]


async def test_a_delta_has_the_client_order_id_for_its_owner(client: PaperClient) -> None:
    async with client.socket() as listener:
        ticker = await _traded(client, listener)
        causes = [frame["msg"].get("client_order_id") for frame in listener.of_type("orderbook_delta")]
        assert "rested" in causes
        assert fold(listener.frames, ticker)["yes"].get("0.0100") is None


async def test_lifecycle_events_are_published_on_their_channel(client: PaperClient) -> None:
    async with running(paper_settings(markets=20, settlement_delay_ms=50)) as busy, busy.socket() as listener:
        await listener.send("subscribe", channels=["market_lifecycle_v2"])
        await listener.until(lambda frame: frame["type"] == "subscribed")
        engine: Any = busy.exchange.state.engine
        now_us = busy.exchange.now_us()
        ticker = engine.queries.markets()[0].ticker
        busy.exchange.hub.publish(engine.lifecycle.determine(ticker, 10_000, now_us))
        update = await listener.until(lambda frame: frame["type"] == "market_lifecycle_v2")
        assert (update["msg"]["event_type"], update["msg"]["result"], update["seq"]) == ("determined", "yes", 1)
        update = await listener.until(lambda frame: frame["type"] == "market_lifecycle_v2")
        assert (update["msg"]["event_type"], update["msg"]["market_ticker"]) == ("settled", ticker)


async def test_the_exchange_sends_heartbeat_pings() -> None:
    async with running(paper_settings(heartbeat_s=0.05)) as client:
        pings: list[bytes] = []

        class Watching(websockets.ClientConnection):
            def data_received(self, data: bytes) -> None:
                if b"heartbeat" in data:
                    pings.append(data)
                super().data_received(data)

        headers = SIGNER.headers("GET", PATH, client.exchange.now_us() // 1000)
        url = client.exchange.url.replace("http", "ws", 1) + PATH
        async with websockets.connect(url, additional_headers=headers, create_connection=Watching) as connection:
            await until(lambda: len(pings) >= 2)
            await (await connection.ping())


async def test_commands_can_be_binary_and_fragmented(client: PaperClient) -> None:
    async with client.socket() as listener:
        await listener.connection.send([b'{"id":1,"cmd":"subs', b'cribe","params":{"channels":["fill"]}}'])
        frame = await listener.next()
        assert (frame["type"], frame["id"]) == ("subscribed", 1)


async def test_a_closing_handshake_ends_the_session(client: PaperClient) -> None:
    async with client.socket():
        assert len(client.exchange.hub.sessions) == 1
    await until(lambda: not client.exchange.hub.sessions)
