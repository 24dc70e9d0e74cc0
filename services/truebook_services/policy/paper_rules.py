"""The rules of the paper accounts: the defaults of observation and execution, and the settings of the shadow."""

from __future__ import annotations

from typing import Final

from truebook.backtest.engine.settings import ExecutionRules
from truebook.backtest.paper.rules import PaperRules
from truebook.clock import MICROS
from truebook.execution.durations import Durations
from truebook.execution.plan import Tolerance
from truebook.messages.identity import Identity
from truebook.observation.builder import ObservationLimits
from truebook.simulation.latency import Latency
from truebook_services.policy.settings import PolicySettings

DURATIONS: Final = Durations(
    max_book_age_us=5 * MICROS, cancel_stale_after_us=10 * MICROS, near_close_us=30 * MICROS,
    order_lifetime_us=20 * MICROS, signature_lifetime_us=15 * MICROS, cancel_retry_us=2 * MICROS,
)  # fmt: skip
EXECUTION: Final = ExecutionRules(
    durations=DURATIONS, tolerance=Tolerance(price_cc=0, min_remaining_share=0.5), throttle_us=200_000,
    breaker_errors=5, breaker_window_us=60 * MICROS, breaker_cooldown_us=30 * MICROS, tier="premier",
    rate_reserve_share=0.2, order_group_limit_centi=0, max_concurrent_markets=32, sweep_us=500_000,
)  # fmt: skip
OBSERVATION: Final = ObservationLimits(max_book_age_us=10 * MICROS, near_close_us=5 * MICROS)


def paper_rules(settings: PolicySettings, identity: Identity) -> PaperRules:
    """Return the rules in the units of calculation."""
    return PaperRules(
        identity=identity, balance_micros=settings.shadow_balance_micros,
        latency=Latency(
            seed=1, order_us=settings.shadow_latency_ms * 1000, cancel_us=settings.shadow_latency_ms * 1000
        ),
        max_age_us=int(settings.max_age_s * MICROS), throttle_us=settings.shadow_throttle_ms * 1000,
        observation=OBSERVATION, execution=EXECUTION, retention_us=60 * MICROS,
    )  # fmt: skip
