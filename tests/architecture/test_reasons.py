"""Reasons are a public vocabulary: documented, and never renamed."""

from __future__ import annotations

from truebook.messages.markets import Exclusion
from truebook.messages.reason_table import EXCLUSIONS, EXPLANATIONS, GROUPS, LEDGER
from truebook.messages.reasons import Reason

GOLDEN = (
    "not_open", "invalid", "epoch", "deadline", "hold", "settled", "unknown_order", "slot", "reduce_only",
    "price_collar", "order_size", "orders_per_minute", "open_orders", "market_limit", "event_limit", "total_limit",
    "cash", "duplicate_action", "breaker", "stale_book", "throttle", "rate_budget", "superseded", "unchanged",
    "awaiting_cancel", "zero_size", "off_grid", "post_only_cross", "fee_type", "source_mismatch", "market_not_trading",
    "near_close", "rejected", "one_sided_book", "no_market_metadata", "no_ledger", "signal_missing", "signal_expired",
    "no_action", "inference_failed", "model_mismatch", "no_edge", "sequence_gap", "negative_size", "crossed_book",
    "silence", "disconnected", "version_gap", "old_epoch", "no_snapshot", "backlog", "undecodable",
    "unknown_version", "unknown_type", "model_stopped", "shard", "shard_cash",
)  # fmt: skip
"""Every reason that was ever published. Append new ones; none is removed or renamed."""


def test_no_reason_was_renamed_or_removed() -> None:
    assert set(GOLDEN) <= {str(reason) for reason in Reason}


def test_new_reasons_are_listed_here() -> None:
    assert {str(reason) for reason in Reason} <= set(GOLDEN)


def test_a_reasons_enum_name_is_its_value() -> None:
    assert [reason for reason in Reason if reason.name.lower() != reason.value] == []


def test_each_reason_is_explained_once_and_in_order() -> None:
    explained = [reason for group in GROUPS for reason in group.reasons]
    assert explained == list(Reason)
    assert len(EXPLANATIONS) == len(explained)


def test_the_ledgers_reasons_are_in_the_order_of_its_checks() -> None:
    later = ("shard", "shard_cash")
    listed = [str(reason) for reason in LEDGER.reasons if reason not in later]
    assert listed[:17] == list(GOLDEN[:17])
    assert [str(reason) for reason in LEDGER.reasons][5:7] == ["settled", "shard"]
    assert [str(reason) for reason in LEDGER.reasons][17:19] == ["shard_cash", "cash"]


def test_each_exclusion_is_explained_in_order() -> None:
    assert list(EXCLUSIONS) == list(Exclusion)
