"""What ``truebook doctor`` asks others: the exchange (signature, clock, rate limit), Redis, Kafka."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from truebook.clock import MICROS, Clock
from truebook.kalshi.port import ExchangeError, Refused
from truebook.kalshi.rest import HttpRestClient
from truebook.kalshi.signing import KeyRefused, load_signer
from truebook.kalshi.wire import AccountLimits
from truebook.ledger.port import LedgerError
from truebook.ledger.redis_report import ServerReport, report_server
from truebook.runtime.settings import SettingsError
from truebook_services.cli.findings import Finding, ok, problem, warning
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.execution.settings import WRITE_TOKENS, Tier

WITHIN_S: Final = 5.0
LARGE_OFFSET_S: Final = 1.0
DANGEROUS_OFFSET_S: Final = 5.0
"""Signatures are refused beyond some seconds."""
FULL_SHARE: Final = 0.8
WANTED: Final = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
WHY: Final = {
    "appendonly": "what the ledger has promised must survive a restart",
    "appendfsync": "a promise that is not on disk when it is answered may be lost with the power",
    "maxmemory-policy": "an evicted key is lost money",
}
_HINT: Final = "start it with --appendonly yes --appendfsync always --maxmemory-policy noeviction"


class Exchange(Protocol):
    """What is asked of the exchange."""

    async def balance(self) -> object: ...
    async def exchange_time_us(self) -> int: ...
    async def account_limits(self) -> AccountLimits: ...


async def check_exchange(settings: EmbeddedSettings, clock: Clock) -> list[Finding]:
    """Ask an exchange that runs elsewhere; nothing where it is part of the run."""
    if settings.exchange_url is None:
        return [ok("exchange", "simulated, in this process: its clock is ours"), _embedded_tier(settings)]
    try:
        signer = load_signer(*settings.credentials())
    except (SettingsError, KeyRefused):
        return [problem("exchange", f"{settings.exchange_url} can't be asked without a key", "mend the key first")]
    root = settings.exchange_url.rstrip("/").removesuffix("/trade-api/v2")
    rest = HttpRestClient(f"{root}/trade-api/v2", signer, clock, read_timeout_s=WITHIN_S, read_attempts=1)
    try:
        return await ask_exchange(rest, root, clock, settings.execution.tier)
    finally:
        await rest.aclose()


async def ask_exchange(exchange: Exchange, url: str, clock: Clock, tier: Tier) -> list[Finding]:
    """Signature, clock and rate limits; what can't be asked ends the list."""
    try:
        offset_s = (await exchange.exchange_time_us() - clock.now_us()) / MICROS
        await exchange.balance()
        limits = await exchange.account_limits()
    except Refused as error:
        what_to_do = "check the key id, that the key belongs to this exchange, and this machine's clock"
        return [problem("exchange", f"{url} refuses us: {error}", what_to_do)]
    except ExchangeError as error:
        return [problem("exchange", f"{url} does not answer: {error}", "check the address and the network")]
    return [ok("exchange", f"{url} accepts our signature"), judge_clock(offset_s), judge_tier(limits, tier)]


def judge_clock(offset_s: float) -> Finding:
    """How far the exchange's clock is ahead of ours."""
    about = f"the exchange is {abs(offset_s):.1f} s {'ahead of' if offset_s >= 0 else 'behind'} this machine"
    what_to_do = "set this machine's clock by NTP (timedatectl set-ntp true)"
    if abs(offset_s) > DANGEROUS_OFFSET_S:
        return problem("clock", about, f"{what_to_do}: signatures will be refused")
    if abs(offset_s) > LARGE_OFFSET_S:
        return warning("clock", about, what_to_do)
    return ok("clock", about)


def judge_tier(limits: AccountLimits, tier: Tier) -> Finding:
    """Compare what the account may with what the settings spend."""
    ours, theirs = WRITE_TOKENS[tier][0], limits.write.refill_rate
    about = f"the account's tier is {limits.usage_tier} ({theirs} write tokens a second), set is {tier} ({ours})"
    if ours > theirs:
        return problem("rate limit", about, f"set TRUEBOOK_EXECUTION__TIER={limits.usage_tier}")
    if ours < theirs:
        return warning("rate limit", about, f"TRUEBOOK_EXECUTION__TIER={limits.usage_tier} would use all of it")
    return ok("rate limit", about)


def _embedded_tier(settings: EmbeddedSettings) -> Finding:
    theirs, ours = settings.paper_exchange.tier, settings.execution.tier
    if WRITE_TOKENS[ours][0] > WRITE_TOKENS[theirs][0]:
        about = f"the embedded exchange's tier is {theirs}, set is {ours}"
        return problem("rate limit", about, f"set TRUEBOOK_EXECUTION__TIER={theirs}")
    return ok("rate limit", f"tier {ours} at the embedded exchange ({theirs})")


async def check_redis(settings: EmbeddedSettings) -> list[Finding]:
    """Ask the Redis that was named; nothing where the bundled server is used."""
    if settings.redis_url is None:
        return []
    try:
        report = await report_server(settings.redis_url, settings.redis_password())
    except (LedgerError, SettingsError) as error:
        return [problem("redis", str(error), "check TRUEBOOK_REDIS_URL, its password file, and that it runs")]
    return judge_redis(report)


def judge_redis(report: ServerReport) -> list[Finding]:
    """Does it keep what it has promised, and has it room?"""
    found = [ok("redis", f"{report.name} {report.version} answers")]
    for name, wanted in WANTED.items():
        value = report.settings.get(name)
        if value is None:
            what_to_do = f"make sure with its operator that it is {wanted}: {WHY[name]}"
            found.append(warning("redis", f"{name} is not told by this server", what_to_do))
        elif value != wanted:
            found.append(problem("redis", f"{name} is {value}: {WHY[name]}", _HINT))
        else:
            found.append(ok("redis", f"{name} {value}"))
    if not report.last_write_ok:
        found.append(problem("redis", "its last write to disk has failed", "look at its disk and its log"))
    if report.max_memory and report.used_memory > FULL_SHARE * report.max_memory:
        about = f"{report.used_memory:,} of {report.max_memory:,} bytes of its memory are used"
        found.append(warning("redis", about, "raise maxmemory: without room no order is sent"))
    return found


async def check_kafka(settings: EmbeddedSettings) -> list[Finding]:
    """Does a broker listen at each address? Nothing where no broker was named."""
    found = []
    for server in (settings.kafka_servers or "").split(","):
        host, _, port = server.strip().rpartition(":")
        if not server.strip():
            continue
        try:
            async with asyncio.timeout(WITHIN_S):
                _, writer = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError, ValueError) as error:
            about = f"{server.strip()} does not answer: {error or 'no answer in time'}"
            found.append(problem("kafka", about, "check TRUEBOOK_KAFKA_SERVERS, and that the broker runs"))
            continue
        writer.close()
        found.append(ok("kafka", f"{server.strip()} listens"))
    return found
