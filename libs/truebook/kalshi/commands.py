"""Commands to the exchange's WebSocket, as text. ``use_yes_price`` is always said: its default is going to flip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

BOOK_CHANNEL: Final = "orderbook_delta"
USE_YES_PRICE: Final = False
"""NO levels arrive at their NO price, as REST shows them; ``frames.decode_frame`` turns them into YES asks."""

Value = str | int | bool | Sequence[str] | Sequence[int]


def subscribe(command_id: int, channels: Sequence[str], tickers: Sequence[str] = ()) -> str:
    """Subscribe to channels; without tickers to everything that the channel offers (books need tickers)."""
    if not channels:
        raise ValueError("subscribe needs a channel")
    if BOOK_CHANNEL in channels and not tickers:
        raise ValueError(f"{BOOK_CHANNEL} needs tickers")
    parameters: dict[str, Value] = {"channels": list(channels)}
    if tickers:
        parameters["market_tickers"] = list(tickers)
    if BOOK_CHANNEL in channels:
        parameters["use_yes_price"] = USE_YES_PRICE
    return _command(command_id, "subscribe", parameters)


def get_snapshot(command_id: int, sid: int, tickers: Sequence[str]) -> str:
    """Ask for a book anew without changing the subscription."""
    return _update(command_id, sid, tickers, "get_snapshot")


def add_markets(command_id: int, sid: int, tickers: Sequence[str]) -> str:
    """Widen a subscription; snapshots of the new books follow."""
    return _update(command_id, sid, tickers, "add_markets")


def delete_markets(command_id: int, sid: int, tickers: Sequence[str]) -> str:
    """Narrow a subscription."""
    return _update(command_id, sid, tickers, "delete_markets")


def unsubscribe(command_id: int, sids: Sequence[int]) -> str:
    """End subscriptions; one ``unsubscribed`` comes for each."""
    if not sids:
        raise ValueError("unsubscribe needs a sid")
    return _command(command_id, "unsubscribe", {"sids": list(sids)})


def channels_of(text: str) -> tuple[str, ...]:
    """Name the channels that a command subscribes to; none for the other commands. For the production guard."""
    command: Any = msgspec.json.decode(text)
    if command.get("cmd") != "subscribe":
        return ()
    return tuple(command["params"]["channels"])


def _update(command_id: int, sid: int, tickers: Sequence[str], action: str) -> str:
    if not tickers:
        raise ValueError(f"{action} needs tickers")
    return _command(
        command_id, "update_subscription", {"sids": [sid], "market_tickers": list(tickers), "action": action}
    )


def _command(command_id: int, name: str, parameters: Mapping[str, Value]) -> str:
    return msgspec.json.encode({"id": command_id, "cmd": name, "params": parameters}).decode()
