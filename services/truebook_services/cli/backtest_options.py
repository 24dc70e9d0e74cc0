"""Reads the options of ``truebook backtest``."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from truebook.clock import MICROS
from truebook.simulation.latency import Latency
from truebook.simulation.latency_profile import PROFILES, LatencyError, read_profile
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.cli.errors import UsageError

CAPACITY: Final = "3,10"
"""The factors of ``--capacity``."""
MAX_FACTOR_PPM: Final = 10_000 * 1_000_000
ALL: Final = "all"


def parse_factors(text: str | None) -> tuple[int, ...]:
    """Read factors such as '3,10' or '0.5' as millionths."""
    factors = []
    for each in listed(text):
        try:
            factor_ppm = int(Decimal(each) * MICROS)
        except (ArithmeticError, ValueError) as error:
            raise UsageError(f"--sizes {text}: {each!r} is no number; write factors such as 3,10") from error
        if not 0 < factor_ppm <= MAX_FACTOR_PPM:
            raise UsageError(f"--sizes {text}: a factor is above 0 and at most {MAX_FACTOR_PPM // MICROS:,}")
        factors.append(factor_ppm)
    return tuple(factors)


def listed(text: str | None) -> tuple[str, ...]:
    """Split a list at its commas."""
    return tuple(stripped for each in (text or "").split(",") if (stripped := each.strip()))


def read_latency(name: str, seed: int) -> Latency:
    """Return the way out of a latency profile: a named one, a fixed time such as 100ms, or that of a JSON file."""
    try:
        return read_profile(name).latency(seed)
    except LatencyError as error:
        raise UsageError(f"--latency {error}") from error


def profile_of(latency: Latency) -> str:
    """Return the name of a latency that has one, else an empty text."""
    return next((name for name in PROFILES if read_latency(name, latency.seed) == latency), "")


def parse_queues(name: str) -> tuple[QueueModel, ...]:
    """Read the name of a queue model, or ``all``."""
    if name == ALL:
        return tuple(QueueModel)
    try:
        return (QueueModel(name),)
    except ValueError:
        known = ", ".join((*QueueModel, ALL))
        raise UsageError(f"--queue {name}: it is one of {known}") from None


def parse_time(text: str | None) -> int | None:
    """Read a date or time in UTC as microseconds."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text}: {error}; write 2026-08-11 or 2026-08-11T01:15:00, in UTC") from error
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * MICROS)
