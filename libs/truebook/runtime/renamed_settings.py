"""Settings that had another name before the first release: an error about an old name states the new one.

Keys and values are dotted names, as in ``truebook.toml``: ``section.field``.
"""

from __future__ import annotations

from typing import Final

RENAMED: Final[dict[str, str]] = {
    "recorder.most_markets": "recorder.max_markets",
    "paper_exchange.clock_ahead_s": "paper_exchange.signature_max_ahead_s",
    "paper_exchange.clock_behind_s": "paper_exchange.signature_max_age_s",
    "paper_exchange.first_data_after_ms": "paper_exchange.first_data_delay_ms",
    "paper_exchange.late_fill_ms": "paper_exchange.late_fill_delay_ms",
    "paper_exchange.pump_ms": "paper_exchange.tick_interval_ms",
    "paper_exchange.snapshot_always_both_sides": "paper_exchange.snapshot_includes_empty_sides",
    "paper_exchange.stream_queue": "paper_exchange.max_queued_frames",
    "ingest.universe.most_markets": "ingest.universe.max_markets",
    "ingest.universe.most_spread_cc": "ingest.universe.max_spread_cc",
    "ingest.universe.least_depth_centi": "ingest.universe.min_depth_centi",
    "ingest.universe.least_volume_centi": "ingest.universe.min_volume_centi",
    "ingest.universe.least_time_to_close_s": "ingest.universe.min_time_to_close_s",
    "ingest.universe.leave_after": "ingest.universe.leave_after_failures",
    "ingest.refresh_soon_s": "ingest.min_refresh_s",
    "ingest.most_probes": "ingest.max_probes",
    "ingest.gather_ms": "ingest.linger_ms",
    "ingest.quiet_s": "ingest.idle_probe_s",
    "ingest.ask_again_s": "ingest.snapshot_timeout_s",
    "ingest.most_asks": "ingest.max_snapshot_requests",
    "ingest.most_backlog": "ingest.max_backlog",
    "ingest.most_letters_per_s": "ingest.max_dead_letters_per_s",
    "observation.quiet_s": "observation.idle_interval_s",
    "observation.portfolio_s": "observation.portfolio_refresh_s",
    "observation.breaker_slows": "observation.breaker_slow_calls",
    "observation.breaker_rest_s": "observation.breaker_cooldown_s",
    "observation.most_signals": "observation.max_signals",
    "policy.switch_s": "policy.registry_poll_s",
    "policy.most_batch": "policy.max_batch",
    "reconciler.adjust_at_most_micros": "reconciler.max_adjustment_micros",
    "reconciler.forget_every_s": "reconciler.prune_interval_s",
    "reconciler.forget_after_s": "reconciler.retention_s",
    "execution.reserved_share": "execution.rate_reserve_share",
    "execution.most_markets_at_once": "execution.max_concurrent_markets",
    "execution.cancel_stale_s": "execution.cancel_stale_after_s",
    "execution.order_life_s": "execution.order_lifetime_s",
    "execution.keep_share": "execution.min_remaining_share",
    "execution.cancel_again_s": "execution.cancel_retry_s",
    "execution.fresh_s": "execution.max_book_age_s",
    "execution.signature_life_s": "execution.signature_lifetime_s",
    "execution.breaker_rest_s": "execution.breaker_cooldown_s",
    "fill_listener.quiet_s": "fill_listener.idle_probe_s",
    "fill_listener.subscribed_within_s": "fill_listener.subscribe_timeout_s",
    "fill_listener.most_waiting": "fill_listener.max_buffered_frames",
    "fill_listener.most_remembered": "fill_listener.max_known_events",
    "for_s": "duration_s",
    "operator.cancel_within_s": "operator.cancel_timeout_s",
    "fill_listener.most_untold": "fill_listener.max_unpublished_events",
}
