"""The settings of a backtest: those of a run in lock-step on the same recording, in the engine's units."""

from __future__ import annotations

from pathlib import Path

import msgspec

from truebook.backtest.engine.settings import DataRules, EngineSettings, ExecutionRules, ObservationRules
from truebook.execution.plan import Tolerance
from truebook.ledger.verbs import Limits
from truebook.messages.envelope import Source
from truebook.messages.identity import Identity
from truebook_services.embedded.lockstep import KEY_ID, LEAD_US
from truebook_services.embedded.run import AFTER_CAPTURE_S
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.execution.settings import ExecutionSettings, to_us
from truebook_services.ingest.settings import IngestSettings
from truebook_services.observation.settings import ObservationSettings
from truebook_services.reconciler.loop import STATE_EVERY_US


def engine_settings(settings: EmbeddedSettings, recording: Path) -> EngineSettings:
    """Return what determines a backtest beside the recording, which is not read."""
    latency = settings.paper_exchange.model_copy(update={"capture": recording}).latency
    return EngineSettings(
        identity=Identity(account=settings.account, strategy=settings.strategy, source=Source.CAPTURE),
        exchange_account=settings.paper_exchange.account,
        ledger_id=KEY_ID,
        lead_us=LEAD_US,
        after_us=to_us(AFTER_CAPTURE_S),
        balance_micros=settings.paper_exchange.balance_micros,
        latency=latency,
        limits=msgspec.convert(settings.limits.given(), Limits),
        max_age_us=to_us(settings.policy.max_age_s),
        reconciled_us=_stated_every_us(to_us(settings.reconciler.orders_s)),
        swept_s=settings.fill_listener.sweep_s,
        mark_us=to_us(settings.reconciler.mark_s),
        day_zone=settings.reconciler.day_zone,
        prune_us=to_us(settings.reconciler.prune_interval_s),
        retention_us=to_us(settings.reconciler.retention_s),
        observation=_observation(settings.observation),
        data=_data(settings.ingest, settings.paper_exchange.first_data_delay_ms * 1000),
        execution=_execution(settings.execution),
        guard=settings.policy.guard_rules(),
    )


def _stated_every_us(round_us: int) -> int:
    """Return the interval of the reconciler's statements: of the first round that is late enough."""
    return -(-STATE_EVERY_US // round_us) * round_us


def _observation(settings: ObservationSettings) -> ObservationRules:
    return ObservationRules(
        limits=settings.limits(), throttle_us=settings.throttle_ms * 1000, release_us=settings.release_ms * 1000,
        idle_us=to_us(settings.idle_interval_s), refresh_us=to_us(settings.portfolio_refresh_s),
    )  # fmt: skip


def _data(settings: IngestSettings, first_data_us: int) -> DataRules:
    return DataRules(
        watch_us=to_us(settings.watch_s), snapshot_us=to_us(settings.snapshot_every_s),
        idle_probe_us=to_us(settings.idle_probe_s), snapshot_timeout_us=to_us(settings.snapshot_timeout_s),
        max_snapshot_requests=settings.max_snapshot_requests, first_data_us=first_data_us,
        universe=settings.universe.rules(), refresh_s=settings.refresh_s, min_refresh_s=settings.min_refresh_s,
    )  # fmt: skip


def _execution(settings: ExecutionSettings) -> ExecutionRules:
    return ExecutionRules(
        durations=settings.durations(),
        tolerance=Tolerance(settings.price_tolerance_cc, settings.min_remaining_share),
        throttle_us=settings.throttle_ms * 1000, breaker_errors=settings.breaker_errors,
        breaker_window_us=to_us(settings.breaker_window_s), breaker_cooldown_us=to_us(settings.breaker_cooldown_s),
        tier=settings.tier, rate_reserve_share=settings.rate_reserve_share,
        order_group_limit_centi=settings.order_group_limit_centi,
        max_concurrent_markets=settings.max_concurrent_markets, sweep_us=to_us(settings.sweep_s),
    )  # fmt: skip
