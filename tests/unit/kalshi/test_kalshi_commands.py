"""Commands are written as the exchange documents them, with ``use_yes_price`` always sent for books."""

from __future__ import annotations

import json

import pytest

from truebook.kalshi.stream import commands


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (commands.subscribe(1, ["orderbook_delta", "trade"], ["A", "B"]),
         {"id": 1, "cmd": "subscribe", "params": {"channels": ["orderbook_delta", "trade"],
          "market_tickers": ["A", "B"], "use_yes_price": False}}),
        (commands.subscribe(3, ("fill", "user_orders")),
         {"id": 3, "cmd": "subscribe", "params": {"channels": ["fill", "user_orders"]}}),
        (commands.add_markets(125, 1, ["C"]),
         {"id": 125, "cmd": "update_subscription",
          "params": {"sids": [1], "market_tickers": ["C"], "action": "add_markets"}}),
        (commands.delete_markets(126, 1, ("A",)),
         {"id": 126, "cmd": "update_subscription",
          "params": {"sids": [1], "market_tickers": ["A"], "action": "delete_markets"}}),
        (commands.get_snapshot(127, 1, ["A"]),
         {"id": 127, "cmd": "update_subscription",
          "params": {"sids": [1], "market_tickers": ["A"], "action": "get_snapshot"}}),
        (commands.unsubscribe(124, [1, 2]), {"id": 124, "cmd": "unsubscribe", "params": {"sids": [1, 2]}}),
    ],
)  # fmt: skip
def test_a_command_is_written_as_documented(text: str, expected: object) -> None:
    assert json.loads(text) == expected


def test_an_invalid_command_is_not_written() -> None:
    for write in (
        lambda: commands.subscribe(1, []),
        lambda: commands.subscribe(1, ["orderbook_delta"]),
        lambda: commands.get_snapshot(1, 1, []),
        lambda: commands.unsubscribe(1, []),
    ):
        with pytest.raises(ValueError):
            write()


def test_the_channels_of_a_command_are_found_for_the_production_guard() -> None:
    assert commands.channels_of(commands.subscribe(1, ["trade", "fill"], ["A"])) == ("trade", "fill")
    assert commands.channels_of(commands.unsubscribe(1, [1])) == ()
