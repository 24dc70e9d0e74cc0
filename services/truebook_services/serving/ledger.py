"""Connects to the ledger that the settings name."""

from __future__ import annotations

from contextlib import AsyncExitStack

from truebook.ledger.redis.store import RedisStore
from truebook.runtime.settings import TruebookSettings
from truebook_services.serving.settings import redis_address


async def connect_ledger(settings: TruebookSettings, stack: AsyncExitStack | None = None) -> RedisStore:
    """Connect to the ledger, until ``stack`` ends if one is given; raises ``LedgerError`` and ``SettingsError``."""
    ledger = await RedisStore.connect(redis_address(settings), settings.account, password=settings.redis_password())
    if stack is not None:
        stack.push_async_callback(ledger.aclose)
    return ledger
