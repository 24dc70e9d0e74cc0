"""The subscriptions of one stream session: acknowledgements, sequence numbers, errors and overflow."""

from __future__ import annotations

from typing import Any

import pytest

from support.paper_stream import StreamClient, changed, traded
from truebook.messages.envelope import BookSide


def kinds(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["type"] for frame in frames]


def seqs(frames: list[dict[str, Any]], sid: int) -> list[int]:
    return [frame["seq"] for frame in frames if frame.get("sid") == sid]


def test_each_channel_is_acknowledged_with_its_sid_before_data() -> None:
    frames = StreamClient().send(
        "subscribe", 9, channels=["orderbook_delta", "trade", "fill"], market_tickers=["A", "B"]
    )
    assert kinds(frames) == ["subscribed"] * 3 + ["orderbook_snapshot"] * 2
    assert [frame["msg"] for frame in frames[:3]] == [
        {"channel": "orderbook_delta", "sid": 1},
        {"channel": "trade", "sid": 2},
        {"channel": "fill", "sid": 3},
    ]
    assert all(frame["id"] == 9 for frame in frames[:3])
    assert seqs(frames, 1) == [1, 2]


def test_a_snapshot_omits_an_empty_side() -> None:
    client = StreamClient()
    bodies = [
        frame["msg"] for frame in client.send("subscribe", channels=["orderbook_delta"], market_tickers=["A", "B", "C"])
    ]
    assert bodies[1]["yes_dollars_fp"] == [["0.4700", "3.00"]]
    assert bodies[1]["no_dollars_fp"] == [["0.4700", "1.00"], ["0.4800", "2.00"]]
    assert "no_dollars_fp" not in bodies[2]
    assert set(bodies[3]) == {"market_ticker", "market_id", "clock"}


def test_no_levels_are_priced_on_the_requested_leg() -> None:
    for use_yes_price, level, price in ((False, "0.4800", "0.4700"), (True, "0.5200", "0.5300")):
        client = StreamClient()
        frames = client.send(
            "subscribe", channels=["orderbook_delta"], market_tickers=["A"], use_yes_price=use_yes_price
        )
        assert [level, "2.00"] in frames[1]["msg"]["no_dollars_fp"]
        client.session.publish(changed("A", BookSide.ASK, 5_300, 50))
        body = client.frames()[0]["msg"]
        assert (body["side"], body["price_dollars"], body["delta_fp"]) == ("no", price, "0.50")


def test_acknowledgements_and_data_share_one_seq_per_sid() -> None:
    client = StreamClient()
    frames = client.send("subscribe", channels=["orderbook_delta", "trade"], market_tickers=["A"])
    client.session.publish(changed("A"))
    client.session.publish(traded("A"))
    frames += client.frames()
    frames += client.send("update_subscription", sids=[1], action="add_markets", market_tickers=["B"])
    client.session.publish(changed("B"))
    frames += client.frames()
    frames += client.send("update_subscription", sid=1, action="delete_markets", market_tickers=["A"])
    frames += client.send("unsubscribe", sids=[1, 2])
    assert seqs(frames, 1) == list(range(1, 8))
    assert seqs(frames, 2) == [1, 2]
    assert kinds(frames)[-2:] == ["unsubscribed", "unsubscribed"]


def test_an_update_returns_all_tickers_then_new_snapshots() -> None:
    client = StreamClient()
    sid = client.book_of("B")
    frames = client.send("update_subscription", 5, sid=sid, action="add_markets", market_tickers=["A", "B"])
    assert kinds(frames) == ["ok", "orderbook_snapshot"]
    assert frames[0]["id"] == 5
    assert frames[0]["msg"] == {"market_tickers": ["A", "B"]}
    assert frames[1]["msg"]["market_ticker"] == "A"


def test_a_repeated_subscribe_merges_into_the_same_sid() -> None:
    client = StreamClient()
    sid = client.book_of("A")
    frames = client.send("subscribe", channels=["orderbook_delta"], market_tickers=["A", "B"])
    assert kinds(frames) == ["ok", "orderbook_snapshot"]
    assert {frame["sid"] for frame in frames} == {sid}
    assert frames[0]["msg"] == {"market_tickers": ["A", "B"]}


def test_get_snapshot_has_the_command_id_and_changes_no_filter() -> None:
    client = StreamClient()
    sid = client.book_of("A")
    frames = client.send("update_subscription", 8, sid=sid, action="get_snapshot", market_tickers=["A", "B"])
    assert [(frame["type"], frame["id"], frame["seq"]) for frame in frames] == [
        ("orderbook_snapshot", 8, 2),
        ("orderbook_snapshot", 8, 3),
    ]
    client.session.publish(changed("B"))
    assert client.frames() == []


def test_subscriptions_can_be_listed() -> None:
    client = StreamClient()
    client.book_of("A")
    client.send("subscribe", channels=["fill"])
    [frame] = client.send("list_subscriptions", 3)
    assert (frame["type"], frame["id"]) == ("ok", 3)
    assert frame["msg"] == [{"channel": "orderbook_delta", "sid": 1}, {"channel": "fill", "sid": 2}]
    assert "sid" not in frame


def test_only_the_owner_gets_the_client_order_id_of_a_delta() -> None:
    for account, known in (("me", True), ("other", False)):
        client = StreamClient(account=account)
        client.book_of("A")
        client.session.publish(changed("A", account="me", client_order_id="mine"))
        assert ("client_order_id" in client.frames()[0]["msg"]) is known


def test_a_binary_command_is_read_like_a_text_one() -> None:
    client = StreamClient()
    client.session.receive(b'{"id":1,"cmd":"subscribe","params":{"channels":["fill"]}}')
    assert kinds(client.frames()) == ["subscribed"]


ERRORS: list[tuple[dict[str, Any], int]] = [
    ({"cmd": "dance", "params": {}}, 5),
    ({"cmd": "subscribe"}, 2),
    ({"cmd": "subscribe", "params": {}}, 3),
    ({"cmd": "subscribe", "params": {"channels": ["gossip"]}}, 8),
    ({"cmd": "subscribe", "params": {"channels": ["orderbook_delta"]}}, 14),
    ({"cmd": "subscribe", "params": {"channels": ["trade"], "market_tickers": "A"}}, 11),
    ({"cmd": "subscribe", "params": {"channels": ["trade"], "use_yes_price": "no"}}, 11),
    ({"cmd": "unsubscribe", "params": {}}, 4),
    ({"cmd": "unsubscribe", "params": {"sids": [77]}}, 7),
    ({"cmd": "update_subscription", "params": {"sids": [1, 2], "action": "add_markets", "market_tickers": ["B"]}}, 12),
    ({"cmd": "update_subscription", "params": {"sid": 77, "action": "add_markets", "market_tickers": ["B"]}}, 7),
    ({"cmd": "update_subscription", "params": {"sid": 1, "market_tickers": ["B"]}}, 15),
    ({"cmd": "update_subscription", "params": {"sid": 1, "action": "add_markets"}}, 14),
    ({"cmd": "update_subscription", "params": {"sid": 1, "action": "shuffle", "market_tickers": ["B"]}}, 13),
    ({"cmd": "update_subscription", "params": {"sid": 2, "action": "get_snapshot", "market_tickers": ["A"]}}, 13),
]


@pytest.mark.parametrize(("command", "code"), ERRORS)
def test_an_invalid_command_returns_its_code_without_effect(command: dict[str, Any], code: int) -> None:
    client = StreamClient()
    client.book_of("A")
    client.send("subscribe", channels=["trade"])
    [frame] = (
        client.send(command["cmd"], 42, **command["params"])
        if "params" in command
        else _without_params(client, command)
    )
    assert (frame["type"], frame["id"], frame["msg"]["code"]) == ("error", 42, code)
    assert "seq" not in frame
    client.session.publish(changed("A"))
    assert client.frames()[0]["seq"] == 2


def _without_params(client: StreamClient, command: dict[str, Any]) -> list[dict[str, Any]]:
    client.session.receive(f'{{"id":42,"cmd":"{command["cmd"]}"}}')
    return client.frames()


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "", "\x00"])
def test_an_unreadable_command_is_error_1(text: str) -> None:
    client = StreamClient()
    client.session.receive(text)
    [frame] = client.frames()
    assert (frame["type"], frame["msg"]["code"]) == ("error", 1)


def test_a_slow_reader_loses_its_subscription_with_error_25() -> None:
    client = StreamClient(outbox=5)
    client.book_of("A")
    client.send("subscribe", channels=["trade"])
    for _ in range(9):
        client.session.publish(changed("A"))
    frames = client.frames()
    assert kinds(frames) == ["orderbook_delta"] * 5 + ["error"]
    assert frames[-1]["msg"]["code"] == 25
    assert seqs(frames, 1) == [2, 3, 4, 5, 6, 7]
    client.session.publish(changed("A"))
    client.session.publish(traded("A"))
    assert kinds(client.frames()) == ["trade"]


def test_an_ended_subscription_can_be_opened_with_a_new_sid() -> None:
    client = StreamClient(outbox=1)
    client.book_of("A")
    client.session.publish(changed("A"))
    client.session.publish(changed("A"))
    client.frames()
    frames = client.send("subscribe", channels=["orderbook_delta"], market_tickers=["A"])
    assert (frames[0]["msg"]["sid"], frames[1]["seq"]) == (2, 1)


def test_no_delta_precedes_a_delayed_snapshot() -> None:
    client = StreamClient(first_data_delay_us=100)
    assert kinds(client.send("subscribe", channels=["orderbook_delta"], market_tickers=["A"])) == ["subscribed"]
    client.session.publish(changed("A"))
    client.view.steady = 99
    client.session.tick()
    assert client.frames() == []
    client.view.steady = 100
    client.session.tick()
    client.session.publish(changed("A"))
    frames = client.frames()
    assert [(frame["type"], frame["seq"]) for frame in frames] == [("orderbook_snapshot", 1), ("orderbook_delta", 2)]


def test_an_unknown_market_has_no_snapshot() -> None:
    frames = StreamClient().send("subscribe", channels=["orderbook_delta"], market_tickers=["NOWHERE"])
    assert kinds(frames) == ["subscribed"]


def test_a_withheld_frame_consumes_its_seq() -> None:
    client = StreamClient()
    client.book_of("A")
    client.session.skip_one(changed("A"))
    client.session.publish(changed("A"))
    assert client.frames()[0]["seq"] == 3
