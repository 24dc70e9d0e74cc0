"""Leases in Redis or Valkey: one key each, which its owner renews and which expires otherwise."""

from __future__ import annotations

from importlib import resources
from typing import Final

from redis.asyncio import Redis

from truebook.ledger.lease import Lease
from truebook.ledger.redis.connection import connection_pool
from truebook.ledger.redis.errors import translating
from truebook.ledger.redis.keys import LedgerKeys

FOLDER: Final = "lua/lease"


class RedisLease(Lease):
    """One process's access to one lease of an account; connects when first used."""

    def __init__(
        self, url: str, account: str, *, name: str, owner: str, lasts_s: float, password: str | None = None
    ) -> None:
        self.lasts_s = lasts_s
        self._client = Redis.from_pool(connection_pool(url, password))
        self._key = LedgerKeys(account).lease(name)
        self._owner = owner
        folder = resources.files("truebook.ledger").joinpath(FOLDER)
        self._take = self._client.register_script((folder / "take.lua").read_text(encoding="utf-8"))
        self._release = self._client.register_script((folder / "release.lua").read_text(encoding="utf-8"))

    async def take(self) -> bool:
        with translating():
            return bool(await self._take([self._key], [self._owner, int(self.lasts_s * 1000)]))

    async def release(self) -> None:
        with translating():
            await self._release([self._key], [self._owner])

    async def is_held(self) -> bool:
        """Return whether it is held now, without taking it. Raises ``LedgerError``."""
        with translating():
            return bool(await self._client.exists(self._key))

    async def aclose(self) -> None:
        """Close the connection; the lease, if it is ours, expires."""
        await self._client.aclose()
