"""Checks that a Redis or Valkey keeps every acknowledged write.

Execution refuses to trade on a ledger that may lose writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from redis import exceptions
from redis.asyncio import Redis

from truebook.ledger.port import LedgerError
from truebook.ledger.redis.connection import connection_pool
from truebook.ledger.redis.errors import translating
from truebook.ledger.redis.server_settings import REQUIRED


class LedgerNotDurable(LedgerError):
    """The ledger's server may lose acknowledged writes."""


class ServerReport(msgspec.Struct, frozen=True, kw_only=True):
    """``settings`` are those of ``REQUIRED`` that the server reports: a managed one may hide them."""

    name: str
    version: str
    settings: dict[str, str]
    used_memory: int
    max_memory: int
    """0: no limit of its own."""
    last_write_ok: bool
    """False after the append-only file could not be written."""


async def report_server(url: str, password: str | None) -> ServerReport:
    """Query the server; raises ``StoreUnavailable`` if it can't be reached, ``LedgerError`` if it refuses us."""
    client = Redis.from_pool(connection_pool(url, password))
    async with aclosing(client):
        with translating():
            info: dict[str, Any] = await client.info("everything")
            settings = await _settings(client)
    valkey = info.get("valkey_version")
    return ServerReport(
        name="Valkey" if valkey else "Redis",
        version=str(valkey or info.get("redis_version", "?")),
        settings=settings,
        used_memory=int(info.get("used_memory", 0)),
        max_memory=int(info.get("maxmemory", 0)),
        last_write_ok=info.get("aof_last_write_status", "ok") == "ok",
    )


def check_durable(reported: Mapping[str, str], log: Any) -> None:
    """Check the settings that the server reports; raises ``LedgerNotDurable`` with every problem.

    Settings that it hides (managed servers may) are trusted, with a warning in the log.
    """
    if hidden := sorted(set(REQUIRED) - set(reported)):
        log.warning("durability of the ledger's server unknown", hidden=hidden)
    problems = [
        f"{name} is {reported[name]}, not {required}: the server {harm}"
        for name, (required, harm) in REQUIRED.items()
        if name in reported and reported[name] != required
    ]
    if problems:
        raise LedgerNotDurable(f"refusing to trade on this ledger server: {'; '.join(problems)}")


async def _settings(client: Redis) -> dict[str, str]:
    try:
        reported: dict[Any, Any] = await client.config_get(*REQUIRED)
    except (exceptions.ResponseError, exceptions.NoPermissionError):
        return {}
    return {_text(name): _text(value) for name, value in reported.items()}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
