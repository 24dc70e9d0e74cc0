"""The commands that a WebSocket client sends, read and checked; errors carry the exchange's codes (3.7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from truebook_services.paper_exchange.subscriptions import Channel

_TEXTS: Final[dict[int, str]] = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market Ticker required",
    15: "Action required",
    25: "Subscription buffer overflow",
    26: "Subscription market limit exceeded",
}
COMMANDS: Final = ("subscribe", "unsubscribe", "update_subscription", "list_subscriptions")


class CommandError(Exception):
    """A command that the exchange answers with an ``error`` frame."""

    def __init__(self, code: int, command_id: int | None = None, detail: str = "") -> None:
        super().__init__(error_text(code) + (f": {detail}" if detail else ""))
        self.code = code
        self.command_id = command_id


def error_text(code: int) -> str:
    return _TEXTS[code]


class ClientCommand(msgspec.Struct, frozen=True, kw_only=True):
    """One decoded command; ``params`` is checked by who carries it out."""

    id: int | None
    cmd: str
    params: dict[str, Any]


def read_command(text: str | bytes) -> ClientCommand:
    """Decode one command; raises ``CommandError`` with the command's id where it has one."""
    try:
        raw = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CommandError(1) from error
    if not isinstance(raw, dict):
        raise CommandError(1)
    command_id = raw.get("id")
    if not isinstance(command_id, int) or isinstance(command_id, bool):
        command_id = None
    cmd = raw.get("cmd")
    if cmd not in COMMANDS:
        raise CommandError(5, command_id)
    params = raw.get("params")
    if cmd == "list_subscriptions":
        params = {}
    if not isinstance(params, dict):
        raise CommandError(2, command_id)
    return ClientCommand(id=command_id, cmd=cmd, params=params)


def channels_of(command: ClientCommand) -> list[Channel]:
    """Read the channels of a ``subscribe``, each once, in the order asked for."""
    names = command.params.get("channels")
    if not isinstance(names, list) or not names:
        raise CommandError(3, command.id)
    if any(not isinstance(name, str) or name not in tuple(Channel) for name in names):
        raise CommandError(8, command.id)
    return [Channel(name) for name in dict.fromkeys(names)]


def tickers_of(command: ClientCommand) -> list[str] | None:
    """Read ``market_tickers`` or ``market_ticker``; none where neither is given.

    By id no market can be chosen here: who asks for that is refused, and not given all of them.
    """
    if command.params.get("market_id") or command.params.get("market_ids"):
        raise CommandError(11, command.id)
    one, many = command.params.get("market_ticker"), command.params.get("market_tickers")
    tickers: Any = many
    if many is None:
        tickers = None if one is None else [one]
    if tickers is None or tickers == []:
        return None
    if not isinstance(tickers, list) or any(not isinstance(ticker, str) for ticker in tickers):
        raise CommandError(11, command.id)
    return tickers


def sids_of(command: ClientCommand) -> Sequence[int]:
    """Read ``sids``, or the one ``sid``."""
    sid, sids = command.params.get("sid"), command.params.get("sids")
    if sids is None and sid is not None:
        sids = [sid]
    if not isinstance(sids, list) or not sids:
        raise CommandError(4, command.id)
    if any(not isinstance(one, int) or isinstance(one, bool) for one in sids):
        raise CommandError(11, command.id)
    return sids


def flag_of(command: ClientCommand, name: str) -> bool:
    """Read an optional boolean parameter."""
    value = command.params.get(name, False)
    if not isinstance(value, bool):
        raise CommandError(11, command.id)
    return value
