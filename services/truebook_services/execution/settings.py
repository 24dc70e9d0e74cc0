"""Settings of execution; every field has a default that suits the simulated exchange."""

from __future__ import annotations

from pydantic import Field

from truebook.clock import MICROS
from truebook.execution.durations import Durations
from truebook.runtime.settings import Section
from truebook.venue.rate_tiers import Tier


class ExecutionSettings(Section):
    """How orders are sent. Times are measured on the exchange's clock, those marked *real* on this machine's."""

    tier: Tier = "basic"
    """The account's rate-limit tier at the exchange; execution never requests more tokens than it grants, nor than the
    exchange states for the account."""
    rate_reserve_share: float = Field(default=0.2, ge=0, lt=1)
    """Share of the write budget that only cancels and risk-reducing orders may use."""
    max_concurrent_markets: int = Field(default=32, ge=1)
    """Actions handled at the same time, one per market."""
    throttle_ms: int = Field(default=200, ge=0)
    """Minimum time between two attempts on one side of a market. A little below the interval of observations, whose
    jitter would otherwise cost every second attempt."""
    max_book_age_s: float = Field(default=5.0, gt=0)
    """No order is sent on a book whose last confirmation is older; it is stated every 0.25 s at most."""
    cancel_stale_after_s: float = Field(default=10.0, gt=0)
    """Orders of a market are cancelled after its book has been stale for this long."""
    max_account_age_s: float = Field(default=30.0, gt=0)
    """No order is sent while the last complete round of the reconciler, or sweep of the fills, is older."""
    near_close_s: float = Field(default=30.0, ge=0)
    """No position is opened in a market that closes within this time."""
    order_lifetime_s: float = Field(default=20.0, ge=2)
    """An order expires at the exchange after this time, unless its target has an expiry."""
    send_timeout_s: float = Field(default=3.0, gt=0)
    """The outcome of a request without a response counts as unknown after this time (real)."""
    signature_lifetime_s: float = Field(default=15.0, gt=0)
    """How long the exchange accepts a signature: part of the proof that an order never arrived."""
    price_tolerance_cc: int = Field(default=0, ge=0)
    """A working order this close to its target's price is kept, with its place in the queue."""
    min_remaining_share: float = Field(default=0.5, gt=0, le=1)
    """A working order is kept while at least this share of the target's size remains, and never more than that size."""
    cancel_retry_s: float = Field(default=2.0, gt=0)
    """A cancel without a known outcome is sent again after this time."""
    sweep_s: float = Field(default=0.5, gt=0)
    """Interval of the check of resting orders against trading holds, stale books and reduce-only."""
    order_group_limit_centi: int = Field(default=10_000_000, ge=0)
    """The exchange cancels all of our orders when they trade so much within 15 seconds: the limit of their order group,
    which also recognises it. 0: no order group."""
    resolve_s: float = Field(default=1.0, gt=0)
    """Interval of the look-ups of orders without a known outcome."""
    breaker_errors: int = Field(default=5, ge=1)
    """This many failed sends in one market within the window open its breaker."""
    breaker_window_s: float = Field(default=60.0, gt=0)
    """Window in which failed sends are counted."""
    breaker_cooldown_s: float = Field(default=30.0, gt=0)
    """An open breaker refuses orders for this long, then admits one as a probe."""
    clock_check_s: float = Field(default=10.0, gt=0)
    """Interval of the comparison with the exchange's clock."""
    clock_stable_checks: int = Field(default=3, ge=1)
    """The trading hold ``clock`` is released after this many measurements without a jump."""
    pause_check_s: float = Field(default=2.0, gt=0)
    """Interval of the check whether a pause of the exchange has ended."""

    def durations(self) -> Durations:
        return Durations(
            max_book_age_us=to_us(self.max_book_age_s), cancel_stale_after_us=to_us(self.cancel_stale_after_s),
            near_close_us=to_us(self.near_close_s), order_lifetime_us=to_us(self.order_lifetime_s),
            signature_lifetime_us=to_us(self.signature_lifetime_s), cancel_retry_us=to_us(self.cancel_retry_s),
        )  # fmt: skip


def to_us(seconds: float) -> int:
    return int(seconds * MICROS)
