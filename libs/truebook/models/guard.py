"""When a model may not decide any longer: repeated failures, a high latency, a drawdown. Pure: values in, breach out.

What is done then, the roll-back to the previous model, is in ``truebook.models.pointer``.
"""

from __future__ import annotations

import math
from collections import deque
from enum import StrEnum
from typing import Final

import msgspec

from truebook.models.history import ModelVersion
from truebook.money import format_micros

PERCENTILE: Final = 0.99
MIN_BATCHES: Final = 100
"""Below this many batches in the window the 99th percentile is no more than the slowest one."""
CHECK_EVERY_US: Final = 1_000_000
MAX_BATCHES: Final = 20_000
"""The newest batches of the window whose latency is kept."""


class BreachKind(StrEnum):
    """Why a model is rolled back."""

    FAILURES = "failures"
    LATENCY = "latency"
    DRAWDOWN = "drawdown"


class Breach(msgspec.Struct, frozen=True):
    """A limit that the model exceeds; ``detail`` has the values."""

    kind: BreachKind
    detail: str

    @property
    def text(self) -> str:
        return f"{self.kind}: {self.detail}"


class GuardRules(msgspec.Struct, frozen=True, kw_only=True):
    """The limits; None switches a limit off."""

    max_failures: int | None
    failure_window_us: int
    max_p99_us: int | None
    latency_window_us: int


class ModelGuard:
    """Watches the batches that one model decides. All times are of one monotonic clock, in microseconds."""

    def __init__(self, rules: GuardRules, now_us: int) -> None:
        self._rules = rules
        self._failed_us: deque[int] = deque()
        self._took: deque[tuple[int, int]] = deque(maxlen=MAX_BATCHES)
        self._since_us = now_us
        self._checked_us = now_us

    def decided(self, now_us: int, took_us: int, *, is_failed: bool) -> Breach | None:
        """Take one batch; return the limit that it exceeds, if any."""
        return self._failures(now_us, is_failed=is_failed) or self._latency(now_us, took_us)

    def _failures(self, now_us: int, *, is_failed: bool) -> Breach | None:
        rules = self._rules
        if rules.max_failures is None or not is_failed:
            return None
        self._failed_us.append(now_us)
        while self._failed_us[0] <= now_us - rules.failure_window_us:
            self._failed_us.popleft()
        if len(self._failed_us) < rules.max_failures:
            return None
        seconds = rules.failure_window_us / 1_000_000
        return Breach(BreachKind.FAILURES, f"{len(self._failed_us)} failed batches within {seconds:g} s")

    def _latency(self, now_us: int, took_us: int) -> Breach | None:
        """Judge a whole window only, once a second: one slow batch is no breach."""
        rules, took = self._rules, self._took
        if rules.max_p99_us is None:
            return None
        took.append((now_us, took_us))
        if now_us - self._checked_us < CHECK_EVERY_US:
            return None
        self._checked_us = now_us
        while took[0][0] <= now_us - rules.latency_window_us:
            took.popleft()
        if now_us - self._since_us < rules.latency_window_us or len(took) < MIN_BATCHES:
            return None
        p99_us = percentile_us([each for _, each in took])
        if p99_us <= rules.max_p99_us:
            return None
        seconds = rules.latency_window_us / 1_000_000
        detail = f"99 % of {len(took)} batches within {seconds:g} s took up to {p99_us / 1000:g} ms"
        return Breach(BreachKind.LATENCY, f"{detail}, the limit is {rules.max_p99_us / 1000:g} ms")


class Drawdown(msgspec.Struct, frozen=True, kw_only=True):
    """The account's profit since a model is active; ``since_us`` is the time of its activation, 0 for the default.

    ``opened_us`` is the opening of the account's ledger: one that is opened again has a new peak.
    ``unvalued_since_us`` is set while the profit is not known: the drawdown is that of the last known profit then.
    """

    version: ModelVersion
    since_us: int
    opened_us: int
    peak_micros: int | None = None
    drawdown_micros: int | None = None
    unvalued_since_us: int | None = None

    def valued(self, profit_micros: int | None, now_us: int) -> Drawdown:
        """Take the account's profit, None if a position has no known value; return the new state."""
        if profit_micros is None:
            unvalued_us = now_us if self.unvalued_since_us is None else self.unvalued_since_us
            return msgspec.structs.replace(self, unvalued_since_us=unvalued_us)
        peak_micros = profit_micros if self.peak_micros is None else max(self.peak_micros, profit_micros)
        return msgspec.structs.replace(
            self, peak_micros=peak_micros, drawdown_micros=peak_micros - profit_micros, unvalued_since_us=None
        )

    def breach(self, max_drawdown_micros: int) -> Breach | None:
        """Return the breach of the limit; a profit that is not known breaches nothing."""
        if self.drawdown_micros is None or self.unvalued_since_us is not None:
            return None
        if self.drawdown_micros <= max_drawdown_micros:
            return None
        fall, limit = format_micros(self.drawdown_micros), format_micros(max_drawdown_micros)
        return Breach(BreachKind.DRAWDOWN, f"the profit fell by ${fall} since its activation, the limit is ${limit}")


def percentile_us(values_us: list[int], share: float = PERCENTILE) -> int:
    """Return the value that this share of the values does not exceed (nearest rank)."""
    return sorted(values_us)[max(0, math.ceil(share * len(values_us)) - 1)]
