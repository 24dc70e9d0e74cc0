"""What the operator's commands must report and do in any trading stack of containers."""

from __future__ import annotations

from typing import Any

from support.stacks import Stack, command, wait_until


def check_status(stack: Stack) -> dict[str, Any]:
    """The status has orders and fills, and states that ledger and exchange agree; values that no source has are null.

    Repeated for a while: on a slow machine, fills reach the ledger late.
    """
    status: dict[str, Any] = {}

    def is_consistent() -> bool:
        nonlocal status
        status = command(stack, "status", "--last", "60s")
        return status["ledger_equals_exchange"] is True

    wait_until(is_consistent, "ledger and exchange to agree", 120)
    assert status["differences"] == [], status
    assert status["alive"] is True, status
    assert status["mode"] == "running", status
    assert (status["conservation_error_micros"], status["adjustments_micros"]) == (0, 0), status
    for name in ("fills", "markets", "observations", "actions"):
        assert status[name] > 0, (name, status)
    assert status["orders"]["sent"] > 0, status
    assert sum(status["fills_by_basis"].values()) == status["fills"]
    assert (status["seed"], status["deltas"]) == (None, None)
    return status


def check_why(stack: Stack) -> str:
    """The funnel has counts from book updates to fills."""
    result = command(stack, "why", "--last", "60s")
    counts = {stage["name"]: stage["count"] for stage in result["funnel"]["stages"]}
    assert all(counts[name] > 0 for name in ("book updates", "fresh", "observed", "decided", "sent", "fills")), counts
    verdict: str = result["funnel"]["verdict"]
    assert verdict.startswith("trading: "), verdict
    return verdict
