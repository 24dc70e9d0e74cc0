"""Decodes and checks the commands of a WebSocket client; errors carry the exchange's codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from truebook.decoding import UNREADABLE
from truebook.kalshi.stream.error_codes import ERROR_TEXTS, StreamErrorCode
from truebook_services.paper_exchange.stream.subscriptions import StreamChannel

COMMANDS: Final = ("subscribe", "unsubscribe", "update_subscription", "list_subscriptions")


class CommandError(Exception):
    """The command is rejected with an ``error`` frame."""

    def __init__(self, code: StreamErrorCode, command_id: int | None = None) -> None:
        super().__init__(ERROR_TEXTS[code])
        self.code = code
        self.command_id = command_id


class ClientCommand(msgspec.Struct, frozen=True, kw_only=True):
    """One decoded command; its handler checks ``params``."""

    id: int | None
    cmd: str
    params: dict[str, Any]


def read_command(text: str | bytes) -> ClientCommand:
    """Decode one command; raises ``CommandError`` with the command's id if it has one."""
    try:
        raw = msgspec.json.decode(text)
    except UNREADABLE as error:
        raise CommandError(StreamErrorCode.UNREADABLE_MESSAGE) from error
    if not isinstance(raw, dict):
        raise CommandError(StreamErrorCode.UNREADABLE_MESSAGE)
    command_id = raw.get("id")
    if not isinstance(command_id, int) or isinstance(command_id, bool):
        command_id = None
    cmd = raw.get("cmd")
    if cmd not in COMMANDS:
        raise CommandError(StreamErrorCode.UNKNOWN_COMMAND, command_id)
    params = raw.get("params")
    if cmd == "list_subscriptions":
        params = {}
    if not isinstance(params, dict):
        raise CommandError(StreamErrorCode.PARAMS_REQUIRED, command_id)
    return ClientCommand(id=command_id, cmd=cmd, params=params)


def channels_of(command: ClientCommand) -> list[StreamChannel | None]:
    """Read the channels of a ``subscribe``: each once, in the requested order; None: an unknown one."""
    names = command.params.get("channels")
    if not isinstance(names, list) or not names:
        raise CommandError(StreamErrorCode.CHANNELS_REQUIRED, command.id)
    known: dict[Any, StreamChannel] = {channel.value: channel for channel in StreamChannel}
    texts = [name if isinstance(name, str) else "" for name in names]
    return [known.get(name) for name in dict.fromkeys(texts)]


def market_ids_of(command: ClientCommand) -> list[str]:
    """Read ``market_ids`` or ``market_id``; empty if neither is given."""
    one, many = command.params.get("market_id"), command.params.get("market_ids")
    ids: Any = ([one] if one else []) if many is None else many
    if not isinstance(ids, list) or any(not isinstance(each, str) for each in ids):
        raise CommandError(StreamErrorCode.INVALID_PARAMETER, command.id)
    return ids


def tickers_of(command: ClientCommand) -> list[str] | None:
    """Read ``market_tickers`` or ``market_ticker``; None if neither is given."""
    one, many = command.params.get("market_ticker"), command.params.get("market_tickers")
    tickers: Any = many
    if many is None:
        tickers = None if one is None else [one]
    if tickers is None or tickers == []:
        return None
    if not isinstance(tickers, list) or any(not isinstance(ticker, str) for ticker in tickers):
        raise CommandError(StreamErrorCode.INVALID_PARAMETER, command.id)
    return tickers


def sids_of(command: ClientCommand) -> Sequence[int]:
    """Read ``sids`` or the single ``sid``."""
    sid, sids = command.params.get("sid"), command.params.get("sids")
    if sids is None and sid is not None:
        sids = [sid]
    if not isinstance(sids, list) or not sids:
        raise CommandError(StreamErrorCode.SIDS_REQUIRED, command.id)
    if any(not isinstance(one, int) or isinstance(one, bool) for one in sids):
        raise CommandError(StreamErrorCode.INVALID_PARAMETER, command.id)
    return sids


def flag_of(command: ClientCommand, name: str) -> bool:
    """Read an optional boolean parameter."""
    value = command.params.get(name, False)
    if not isinstance(value, bool):
        raise CommandError(StreamErrorCode.INVALID_PARAMETER, command.id)
    return value
