"""What a Redis or Valkey says of itself, as far as a ledger depends on it: for ``truebook doctor``."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, Final

import msgspec
from redis import exceptions
from redis.asyncio import Redis

from truebook.ledger.redis_connection import connection_pool
from truebook.ledger.redis_errors import translating

SETTINGS: Final = ("appendonly", "appendfsync", "maxmemory-policy", "maxmemory")


class ServerReport(msgspec.Struct, frozen=True, kw_only=True):
    """``settings`` are those of ``SETTINGS`` that the server tells: a managed one may hide them."""

    name: str
    version: str
    settings: dict[str, str]
    used_memory: int
    max_memory: int
    """0: no limit of its own."""
    last_write_ok: bool
    """False after an append-only file that could not be written."""


async def report_server(url: str, password: str | None) -> ServerReport:
    """Ask the server; raises ``StoreUnavailable`` where it can't be reached, ``LedgerError`` where it refuses us."""
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


async def _settings(client: Redis) -> dict[str, str]:
    try:
        told: dict[Any, Any] = await client.config_get(*SETTINGS)
    except (exceptions.ResponseError, exceptions.NoPermissionError):
        return {}
    return {_text(name): _text(value) for name, value in told.items()}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
