"""Reasons are a public vocabulary: documented, and never renamed."""

from __future__ import annotations

import re

from source_tree import ROOT

from truebook.messages.reasons import Reason

GOLDEN = (
    "not_open", "invalid", "epoch", "deadline", "hold", "settled", "unknown_order", "slot", "reduce_only",
    "price_collar", "order_size", "orders_per_minute", "open_orders", "market_limit", "event_limit", "total_limit",
    "cash", "duplicate_action", "breaker", "stale_book", "throttle", "rate_budget", "superseded", "unchanged",
    "awaiting_cancel", "no_size", "off_grid", "post_only_cross", "fee_type", "source_mismatch", "market_not_trading",
    "near_close", "rejected", "one_sided_book", "no_market_facts", "no_ledger", "signal_missing", "signal_expired",
    "hold_action", "model_failed", "model_mismatch", "no_edge", "sequence_gap", "negative_size", "crossed_book",
    "silence", "disconnected", "version_gap", "old_epoch", "no_snapshot", "backlog", "undecodable",
    "unknown_version", "unknown_type", "handler_failed",
)  # fmt: skip
"""Every reason that was ever written into a topic. New ones are added at the end; none is taken away or renamed."""
ROW = re.compile(r"^\| `(\w+)` \| (\S.*?) \| (\S.*?) \|$", re.MULTILINE)


def rows() -> list[str]:
    return [match[0] for match in ROW.findall((ROOT / "docs/reasons.md").read_text(encoding="utf-8"))]


def test_no_reason_was_renamed_or_taken_away() -> None:
    assert set(GOLDEN) <= {str(reason) for reason in Reason}


def test_a_new_reason_is_noted_here_too() -> None:
    assert {str(reason) for reason in Reason} <= set(GOLDEN)


def test_a_reasons_name_in_the_code_is_its_value() -> None:
    assert [reason for reason in Reason if reason.name.lower() != reason.value] == []


def test_each_reason_is_documented_once_with_its_meaning_and_what_to_do() -> None:
    documented = rows()
    assert sorted(documented) == sorted(str(reason) for reason in Reason)


def test_the_ledgers_reasons_stand_in_the_order_of_its_checks() -> None:
    order = [str(reason) for reason in Reason][:17]
    assert order == list(GOLDEN[:17])
    assert [name for name in rows() if name in order] == order
