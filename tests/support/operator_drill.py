"""What the operator's verbs must tell and do in any stack of containers that trades."""

from __future__ import annotations

from typing import Any

from support.stacks import Stack, command, wait_for_trades, wait_until


def check_status(stack: Stack) -> dict[str, Any]:
    """The summary knows what was sent and filled, and that the books are true; what nobody knows is null.

    Asked again for a while: on a machine that is short of time, fills reach the ledger late.
    """
    status: dict[str, Any] = {}

    def books_are_true() -> bool:
        nonlocal status
        status = command(stack, "status", "--last", "60s")
        return status["ledger_equals_exchange"] is True

    wait_until(books_are_true, "ledger and exchange to agree", 120)
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
    """The funnel runs from book changes to fills; a market's decisions are told with what became of them."""
    told = command(stack, "why", "--last", "60s")
    counts = {stage["name"]: stage["count"] for stage in told["funnel"]["stages"]}
    assert all(counts[name] > 0 for name in ("seen", "fresh", "observed", "decided", "sent", "fills")), counts
    verdict: str = told["funnel"]["verdict"]
    assert verdict.startswith("it trades"), verdict
    return verdict


def check_halt(stack: Stack) -> None:
    """A halt ends every order and every sending; resume lets it go on."""
    assert command(stack, "halt") == {"result": "held", "orders": "cancelled"}

    def nothing_promised() -> bool:
        status = command(stack, "status", "--last", "10s")
        return bool(status["mode"] == "halted" and status["promised_micros"] == 0)

    wait_until(nothing_promised, "a halted stack without promises", 60)
    assert command(stack, "resume") == {"result": "released"}
    wait_for_trades(stack)
