"""The paper accounts trade by the defaults of the services."""

from __future__ import annotations

import msgspec

from truebook.clock import MICROS
from truebook.execution.plan import Tolerance
from truebook.messages.envelope import Source
from truebook.messages.identity import Identity
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.execution.settings import ExecutionSettings
from truebook_services.policy.paper_rules import paper_rules
from truebook_services.policy.settings import PolicySettings

RULES = paper_rules(PolicySettings(), Identity(account="a", strategy="s", source=Source.SIMULATED))


def test_orders_are_sent_as_by_execution() -> None:
    settings, rules = ExecutionSettings(), RULES.execution
    assert rules.durations == settings.durations()
    assert rules.tolerance == Tolerance(settings.price_tolerance_cc, settings.min_remaining_share)
    assert (rules.throttle_us, rules.breaker_errors) == (settings.throttle_ms * 1000, settings.breaker_errors)
    assert rules.breaker_window_us == settings.breaker_window_s * MICROS
    assert rules.breaker_cooldown_us == settings.breaker_cooldown_s * MICROS
    assert (rules.rate_reserve_share, rules.sweep_us) == (settings.rate_reserve_share, settings.sweep_s * MICROS)
    assert rules.max_concurrent_markets == settings.max_concurrent_markets


def test_markets_are_observed_as_by_observation() -> None:
    settings = EmbeddedSettings()
    assert msgspec.structs.asdict(RULES.observation) == msgspec.structs.asdict(settings.observation.limits())
    assert RULES.throttle_us == settings.observation.throttle_ms * 1000
    assert RULES.max_age_us == settings.policy.max_age_s * MICROS
    assert RULES.balance_micros == settings.paper_exchange.balance_micros
