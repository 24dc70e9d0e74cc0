"""Reads the options of ``truebook backtest``."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from truebook.clock import MICROS
from truebook.simulation.latency import Latency
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.cli.errors import UsageError

PROFILES: Final = {"home": (50_000, 20_000), "hosted": (5_000, 3_000)}
"""Named latencies of an order or cancel: the fixed part and the largest jitter, in microseconds."""
MILLISECONDS: Final = re.compile(r"(\d+(?:\.\d+)?)ms")
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
    """Return a named latency, a fixed one such as 100ms, or that of a JSON file.

    The file has ``order_us``, ``cancel_us`` and ``jitter_us``.
    """
    if name in PROFILES:
        fixed_us, jitter_us = PROFILES[name]
        return Latency(seed=seed, order_us=fixed_us, cancel_us=fixed_us, jitter_us=jitter_us)
    if fixed := MILLISECONDS.fullmatch(name):
        fixed_us = round(float(fixed[1]) * 1_000)
        return Latency(seed=seed, order_us=fixed_us, cancel_us=fixed_us)
    try:
        read = msgspec.json.decode(Path(name).read_bytes(), type=_LatencyFile)
    except OSError as error:
        raise UsageError(
            f"--latency {name}: {error.strerror}; give home, hosted, a time such as 100ms, or a file"
        ) from error
    except msgspec.MsgspecError as error:
        raise UsageError(
            f'--latency {name}: {error}; it has {{"order_us": 50000, "cancel_us": 50000, "jitter_us": 20000}}'
        ) from error
    if min(read.order_us, read.cancel_us, read.jitter_us) < 0:
        raise UsageError(f"--latency {name}: a latency is at least 0")
    return Latency(seed=seed, order_us=read.order_us, cancel_us=read.cancel_us, jitter_us=read.jitter_us)


def profile_of(latency: Latency) -> str:
    """Return the name of a latency that has one, else an empty text."""
    return next((name for name in PROFILES if read_latency(name, latency.seed) == latency), "")


class _LatencyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    order_us: int
    cancel_us: int
    jitter_us: int = 0


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
