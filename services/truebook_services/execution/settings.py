"""Settings of execution; every field has a default that suits the simulated exchange."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Tier = Literal["basic", "advanced", "expert", "premier", "paragon", "prime", "prestige"]

WRITE_TOKENS: Final[dict[Tier, tuple[int, int]]] = {
    "basic": (100, 100),
    "advanced": (300, 900),
    "expert": (600, 1_800),
    "premier": (1_200, 3_600),
    "paragon": (2_400, 7_200),
    "prime": (4_800, 14_400),
    "prestige": (9_600, 28_800),
}
"""The exchange's write bucket per tier: tokens a second, and how many it holds."""
CREATE_COST: Final = 10
CANCEL_COST: Final = 2


class ExecutionSettings(BaseModel):
    """How orders are sent. Times are of the exchange's clock, unless they say *real*."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tier: Tier = "basic"
    """The account's rate limits at the exchange; tokens beyond them are never asked for."""
    reserved_share: float = Field(default=0.2, ge=0, lt=1)
    """Share of the rate budget that only cancels and risk-reducing orders may use."""
    most_markets_at_once: int = Field(default=32, ge=1)
    """Actions that are carried out at the same time, one per market."""
    throttle_ms: int = Field(default=200, ge=0)
    """Least time between two attempts on one side of a market; a little below the pace of observations, whose jitter
    would otherwise cost every second attempt."""
    fresh_s: float = Field(default=5.0, gt=0)
    """A book whose last confirmation is older gives no order."""
    cancel_stale_s: float = Field(default=10.0, gt=0)
    """Orders in a market whose book has not been fresh for so long are cancelled."""
    near_close_s: float = Field(default=30.0, ge=0)
    """So shortly before its close no position is opened in a market."""
    order_life_s: float = Field(default=20.0, ge=2)
    """After this an order lapses at the exchange by itself, where its target names no time."""
    send_timeout_s: float = Field(default=3.0, gt=0)
    """Real time that an answer is waited for before the outcome counts as unknown."""
    signature_life_s: float = Field(default=15.0, gt=0)
    """For how long the exchange takes a signature: a part of the proof that an order never arrived."""
    price_tolerance_cc: int = Field(default=0, ge=0)
    """A working order that is no further from its target keeps its place in the queue."""
    keep_share: float = Field(default=0.5, gt=0, le=1)
    """A working order is kept while at least this share of the wanted size is left, and never more than that size."""
    cancel_again_s: float = Field(default=2.0, gt=0)
    """A cancel without a known effect is sent again after so long."""
    sweep_s: float = Field(default=0.5, gt=0)
    """How often resting orders are checked against holds, stale books and reduce-only."""
    resolve_s: float = Field(default=1.0, gt=0)
    """How often orders without a known outcome are looked up."""
    breaker_errors: int = Field(default=5, ge=1)
    breaker_window_s: float = Field(default=60.0, gt=0)
    breaker_rest_s: float = Field(default=30.0, gt=0)
    """So many failed sends in a market within the window give it a rest."""
    clock_check_s: float = Field(default=10.0, gt=0)
    clock_stable_checks: int = Field(default=3, ge=1)
    """The hold ``clock`` ends after so many measurements without a jump."""
    pause_check_s: float = Field(default=2.0, gt=0)
    """How often the exchange is asked whether it has ended a pause."""
