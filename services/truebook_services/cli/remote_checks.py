"""The checks of ``truebook doctor`` on other systems: exchange (signature, clock, rate limit), Redis, Kafka."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from truebook.clock import MICROS, Clock
from truebook.kalshi.hosts import KeyRefused, addresses, root_address
from truebook.kalshi.port import ExchangeError, Refused
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import load_signer
from truebook.kalshi.wire.rest_bodies import AccountLimits
from truebook.ledger.port import LedgerError
from truebook.ledger.redis.durability import ServerReport, report_server
from truebook.ledger.redis.server_settings import REQUIRED
from truebook.runtime.settings import SettingsError
from truebook.venue.rate_tiers import TIER_LIMITS, Tier
from truebook_services.cli.check import Check, ok, problem, warning
from truebook_services.embedded.settings import EmbeddedSettings

WITHIN_S: Final = 5.0
LARGE_OFFSET_S: Final = 1.0
DANGEROUS_OFFSET_S: Final = 5.0
"""The exchange refuses signatures of a clock that is off by seconds."""
MAX_MEMORY_SHARE: Final = 0.8
_HINT: Final = "start it with --appendonly yes --appendfsync always --maxmemory-policy noeviction"


class Exchange(Protocol):
    """The requests that are sent to the exchange."""

    async def balance(self) -> object: ...
    async def exchange_time_us(self) -> int: ...
    async def account_limits(self) -> AccountLimits: ...


async def check_exchange(settings: EmbeddedSettings, clock: Clock) -> list[Check]:
    """Check an exchange in another process; the embedded one needs no connection."""
    if settings.exchange_url is None:
        return [ok("exchange", "simulated, in this process, with this machine's clock"), _embedded_tier(settings)]
    try:
        signer = load_signer(*settings.credentials())
    except (SettingsError, KeyRefused):
        return [problem("exchange", f"{settings.exchange_url} can't be checked without a key", "correct the key first")]
    root = root_address(settings.exchange_url)
    rest_url, _ = addresses(root)
    rest = HttpRestClient(rest_url, signer, clock, read_timeout_s=WITHIN_S, read_attempts=1)
    try:
        return await query_exchange(rest, root, clock, settings.execution.tier)
    finally:
        await rest.aclose()


async def query_exchange(exchange: Exchange, url: str, clock: Clock, tier: Tier) -> list[Check]:
    """Check signature, clock and rate limits; the first request that fails ends the list."""
    try:
        offset_s = (await exchange.exchange_time_us() - clock.now_us()) / MICROS
        await exchange.balance()
        limits = await exchange.account_limits()
    except Refused as error:
        hint = "check the key id, that the key belongs to this exchange, and this machine's clock"
        return [problem("exchange", f"{url} refuses our requests: {error}", hint)]
    except ExchangeError as error:
        return [problem("exchange", f"{url} does not respond: {error}", "check the address and the network")]
    return [ok("exchange", f"{url} accepts our signature"), judge_clock(offset_s), judge_tier(limits, tier)]


def judge_clock(offset_s: float) -> Check:
    """Check the clock by how far the exchange's is ahead of it."""
    detail = f"the exchange is {abs(offset_s):.1f} s {'ahead of' if offset_s >= 0 else 'behind'} this machine"
    hint = "set this machine's clock by NTP (timedatectl set-ntp true)"
    if abs(offset_s) > DANGEROUS_OFFSET_S:
        return problem("clock", detail, f"{hint}: signatures will be refused")
    if abs(offset_s) > LARGE_OFFSET_S:
        return warning("clock", detail, hint)
    return ok("clock", detail)


def judge_tier(limits: AccountLimits, tier: Tier) -> Check:
    """Compare the account's rate limits with those of the settings."""
    ours, theirs = TIER_LIMITS[tier].write.refill_per_s, limits.write.refill_rate
    detail = (
        f"the account's tier is {limits.usage_tier} ({theirs} write tokens a second), configured is {tier} ({ours})"
    )
    if ours > theirs:
        return problem("rate limit", detail, f"set TRUEBOOK_EXECUTION__TIER={limits.usage_tier}")
    if ours < theirs:
        return warning("rate limit", detail, f"TRUEBOOK_EXECUTION__TIER={limits.usage_tier} would use all of it")
    return ok("rate limit", detail)


def _embedded_tier(settings: EmbeddedSettings) -> Check:
    theirs, ours = settings.paper_exchange.tier, settings.execution.tier
    if TIER_LIMITS[ours].write.refill_per_s > TIER_LIMITS[theirs].write.refill_per_s:
        detail = f"the embedded exchange's tier is {theirs}, execution's is {ours}"
        return problem("rate limit", detail, f"set TRUEBOOK_EXECUTION__TIER={theirs}")
    return ok("rate limit", f"tier {ours} at the embedded exchange ({theirs})")


async def check_redis(settings: EmbeddedSettings) -> list[Check]:
    """Check the configured Redis; nothing where the bundled server is used."""
    if settings.redis_url is None:
        return []
    try:
        report = await report_server(settings.redis_url, settings.redis_password())
    except (LedgerError, SettingsError) as error:
        return [problem("redis", str(error), "check TRUEBOOK_REDIS_URL, its password file, and that it runs")]
    return judge_redis(report)


def judge_redis(report: ServerReport) -> list[Check]:
    """Check that the server keeps every write and has memory left."""
    found = [ok("redis", f"{report.name} {report.version} responds")]
    for name, (wanted, harm) in REQUIRED.items():
        value = report.settings.get(name)
        if value is None:
            hint = f"ask its operator whether it is {wanted}: else the server {harm}"
            found.append(warning("redis", f"the server does not report {name}", hint))
        elif value != wanted:
            found.append(problem("redis", f"{name} is {value}: the server {harm}", _HINT))
        else:
            found.append(ok("redis", f"{name} {value}"))
    if not report.last_write_ok:
        found.append(problem("redis", "its last write to disk failed", "check its disk and its log"))
    if report.max_memory and report.used_memory > MAX_MEMORY_SHARE * report.max_memory:
        detail = f"{report.used_memory:,} of {report.max_memory:,} bytes of its memory are used"
        found.append(warning("redis", detail, "raise maxmemory: without free memory no order is sent"))
    return found


async def check_kafka(settings: EmbeddedSettings) -> list[Check]:
    """Check that a broker listens at each configured address."""
    found = []
    for server in (settings.kafka_servers or "").split(","):
        host, _, port = server.strip().rpartition(":")
        if not server.strip():
            continue
        try:
            async with asyncio.timeout(WITHIN_S):
                _, writer = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError, ValueError) as error:
            detail = f"{server.strip()} does not respond: {error or 'timed out'}"
            found.append(problem("kafka", detail, "check TRUEBOOK_KAFKA_SERVERS, and that the broker runs"))
            continue
        writer.close()
        found.append(ok("kafka", f"{server.strip()} listens"))
    return found
