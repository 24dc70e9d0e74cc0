"""Parameters of stream commands: bad channels, snapshots of unknown markets, market ids, quiet channels."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.kalshi_required import STREAM, lacking
from support.manual_exchange import ManualExchange
from support.paper_stream import NOW_US, StreamClient
from support.simulated_exchange import metadata
from truebook.book.order_book import OrderBook
from truebook_services.paper_exchange.engine.market_stats import MarketStats
from truebook_services.paper_exchange.stream import frames
from truebook_services.paper_exchange.wire_fields import market_id


def kinds(sent: list[dict[str, Any]]) -> list[Any]:
    return [one["msg"].get("channel") or one["msg"].get("code") or one["type"] for one in sent]


def client_with_ticker(ticker: str) -> StreamClient:
    client = StreamClient()
    client.view.tickers[ticker] = frames.ticker_update(metadata(ticker), MarketStats(), OrderBook(), NOW_US)
    return client


def test_a_bad_channel_is_refused_alone() -> None:
    sent = StreamClient().send("subscribe", 4, channels=["trade", "nothing", "fill", 7], market_tickers=["A"])
    assert kinds(sent) == ["trade", 8, "fill", 8]
    assert all(one["id"] == 4 for one in sent)


def test_books_without_markets_are_refused_alone() -> None:
    assert kinds(StreamClient().send("subscribe", channels=["orderbook_delta", "fill"])) == [14, "fill"]


def test_a_snapshot_of_an_unknown_market_is_refused() -> None:
    client = StreamClient()
    sid = client.book_of("A")
    sent = client.send("update_subscription", 6, sid=sid, action="get_snapshot", market_tickers=["A", "NOWHERE", "B"])
    assert [one["msg"].get("market_ticker") or one["msg"]["code"] for one in sent] == ["A", "B", 11]
    assert all(one["id"] == 6 for one in sent)


@pytest.mark.parametrize("initial", [True, False])
def test_a_ticker_starts_with_its_state_on_request(initial: bool) -> None:
    client = client_with_ticker("A")
    sent = client.send("subscribe", channels=["ticker"], market_tickers=["A"], send_initial_snapshot=initial)
    assert kinds(sent) == ["ticker", *(["ticker"] if initial else [])]
    client = client_with_ticker("A")
    client.send("subscribe", channels=["ticker"], market_tickers=["B"])
    sent = client.send(
        "update_subscription", sid=1, action="add_markets", market_tickers=["A"], send_initial_snapshot=initial
    )
    assert [one["type"] for one in sent] == ["ok", *(["ticker"] if initial else [])]


def test_market_ids_select_tickers_only() -> None:
    client = client_with_ticker("A")
    sent = client.send("subscribe", channels=["ticker"], market_ids=[market_id("A")], send_initial_snapshot=True)
    assert [one["type"] for one in sent] == ["subscribed", "ticker"]
    assert client.send("update_subscription", sid=1, action="add_markets", market_id=market_id("B"))[0]["msg"] == {
        "market_tickers": ["A", "B"]
    }
    for more in ({"channels": ["trade"]}, {"channels": ["ticker"], "market_ids": ["unknown"]}):
        refused = StreamClient().send("subscribe", **({"market_ids": [market_id("A")]} | more))
        assert kinds(refused) == [11]


def test_quiet_channels_are_acknowledged_and_numbered() -> None:
    client = StreamClient()
    sent = client.send("subscribe", channels=["communications", "multivariate_market_lifecycle"], shard_factor=2)
    assert kinds(sent) == ["communications", "multivariate_market_lifecycle"]
    ended = client.send("unsubscribe", sids=[1, 2])
    assert [(one["type"], one["seq"]) for one in ended] == [("unsubscribed", 1)] * 2


def test_acknowledgements_without_lists_are_short() -> None:
    client = StreamClient()
    client.send("subscribe", channels=["ticker"], market_tickers=["A"], skip_ticker_ack=True)
    (acknowledged,) = client.send("update_subscription", sid=1, action="add_markets", market_tickers=["B"])
    assert acknowledged["msg"] == {}


async def test_an_event_is_announced_before_its_first_market() -> None:
    exchange = ManualExchange(markets=20)
    session = exchange.server.hub.open_session("me", lambda: None)
    session.receive(json.dumps({"id": 1, "cmd": "subscribe", "params": {"channels": ["market_lifecycle_v2"]}}))
    exchange.tick(120)
    sent = []
    while (frame := session.take()) is not None:
        sent.append(json.loads(frame))
    assert [one["seq"] for one in sent[1:]] == list(range(1, len(sent)))
    created: dict[str, list[str]] = {}
    announced: list[str] = []
    for one in sent[1:]:
        if one["type"] == "event_lifecycle":
            assert lacking(STREAM, "event_lifecycle", one["msg"]) == []
            announced.append(one["msg"]["event_ticker"])
        elif one["msg"]["event_type"] == "created":
            event = one["msg"]["additional_metadata"]["event_ticker"]
            assert event in announced
            created.setdefault(event, []).append(one["msg"]["market_ticker"])
    assert announced == list(created)
    assert any(len(markets) > 1 for markets in created.values())
    await exchange.close()
