"""Commands to the exchange's WebSocket, as text. ``use_yes_price`` is always sent: its default is going to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

BOOK_CHANNEL: Final = "orderbook_delta"
USE_YES_PRICE: Final = False
"""NO levels have NO prices, as in REST; ``frames.decode_frame`` converts them to YES asks."""

Value = str | int | bool | Sequence[str] | Sequence[int]


def subscribe(command_id: int, channels: Sequence[str], tickers: Sequence[str] = ()) -> str:
    """Subscribe to channels; without tickers to all markets (books need tickers)."""
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
    """Request snapshots without changing the subscription."""
    return _update(command_id, sid, tickers, "get_snapshot")


def add_markets(command_id: int, sid: int, tickers: Sequence[str]) -> str:
    """Add markets to a subscription; snapshots of the new books follow."""
    return _update(command_id, sid, tickers, "add_markets")


def delete_markets(command_id: int, sid: int, tickers: Sequence[str]) -> str:
    """Remove markets from a subscription."""
    return _update(command_id, sid, tickers, "delete_markets")


def unsubscribe(command_id: int, sids: Sequence[int]) -> str:
    """End subscriptions; each is confirmed by an ``unsubscribed`` frame."""
    if not sids:
        raise ValueError("unsubscribe needs a sid")
    return _command(command_id, "unsubscribe", {"sids": list(sids)})


def channels_of(text: str) -> tuple[str, ...]:
    """Return the channels that a command subscribes to, none for other commands: for the production guard."""
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
