"""The exchange's REST for a command outside of the process that trades."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from truebook.clock import Clock, ExchangeClock
from truebook.kalshi.port import ExchangeError, RestClient
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import load_signer
from truebook.runtime.settings import TruebookSettings
from truebook_services.serving.settings import exchange_address


@asynccontextmanager
async def exchange_client(settings: TruebookSettings, clock: Clock) -> AsyncIterator[RestClient | None]:
    """Connect while entered; None where the settings name no exchange, or this process has no key."""
    if settings.exchange_url is None or settings.key_file is None or not settings.key_file.exists():
        yield None
        return
    signer = load_signer(*settings.credentials())
    rest = HttpRestClient(f"{exchange_address(settings)}/trade-api/v2", signer, clock)
    try:
        yield rest
    finally:
        await rest.aclose()


async def responding(rest: RestClient | None, clock: ExchangeClock) -> RestClient | None:
    """Set the clock by the exchange's; returns the client, None without a key or a response."""
    if rest is None:
        return None
    try:
        clock.observe(await rest.exchange_time_us())
    except ExchangeError:
        return None
    return rest
