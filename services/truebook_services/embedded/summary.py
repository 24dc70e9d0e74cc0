"""The summary of a run: one flat record, the same for ``run --json``, the table at the end and ``status --json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from truebook.ledger.port import View
from truebook.ledger.reconcile import Difference
from truebook.ledger.valuation import Levels, value_account
from truebook.messages.orders import OrderOutcome
from truebook_services.embedded.statistics import Statistics


def summarise(
    statistics: Statistics,
    view: View,
    differences: Sequence[Difference] | None,
    *,
    seconds: float,
    seed: int,
    model: str,
    market_data: str,
) -> dict[str, Any]:
    """Put a run into one record; ``differences`` is null while the ledger has not been compared yet."""
    outcomes = statistics.outcomes
    return {
        "seconds": round(seconds, 1),
        "seed": seed,
        "model": model,
        "market_data": market_data,
        "markets": len(statistics.books),
        "deltas": statistics.counts["deltas"],
        "public_trades": statistics.counts["public_trades"],
        "stale_books": dict(sorted(statistics.stale.items())),
        "observations": statistics.counts["observations"],
        "actions": statistics.counts["actions"],
        "orders": {
            "sent": outcomes[OrderOutcome.SENT],
            "acknowledged": outcomes[OrderOutcome.ACKNOWLEDGED],
            "rejected": outcomes[OrderOutcome.REJECTED],
            "cancelled": outcomes[OrderOutcome.CANCELLED],
            "unknown": outcomes[OrderOutcome.UNKNOWN],
            "resolved": outcomes[OrderOutcome.RESOLVED],
            "kept": outcomes[OrderOutcome.KEPT],
            "refused": dict(sorted(statistics.refused.items())),
        },
        "fills": statistics.counts["fills"],
        "fills_by_basis": dict(sorted(statistics.fills_by_basis.items())),
        "fills_by_side": dict(sorted(statistics.fills_by_side.items())),
        "filled_markets": len(statistics.filled_tickers),
        "settlements": statistics.counts["settlements"],
        "dead_letters": statistics.counts["dead_letters"],
        **account_figures(view, statistics.levels()),
        "ledger_equals_exchange": None if differences is None else not differences,
        "differences": [] if differences is None else [str(difference) for difference in differences],
        "tick_to_order_ms": statistics.latency_ms(),
    }


def account_figures(view: View, books: Mapping[str, tuple[Levels, Levels]]) -> dict[str, Any]:
    """What the ledger holds, with its positions valued by the books: the summary's part that is about money."""
    account = view.account
    worth = value_account(account, view.markets, books)
    return {
        "deposits_micros": account.deposits_micros,
        "adjustments_micros": account.adjustments_micros,
        "cash_micros": account.cash_micros,
        "overdrawn_micros": account.overdrawn_micros,
        "promised_micros": account.promised_micros,
        "position_cost_micros": worth.position_cost_micros,
        "realised_micros": worth.realised_micros,
        "unrealised_micros": worth.unrealised_micros,
        "unsaleable_centi": worth.unsaleable_centi,
        "fees_micros": account.fees_micros,
        "equity_micros": worth.equity_micros,
        "conservation_error_micros": account.conservation_error_micros,
        "mode": account.mode,
        "holds": [f"{hold.name} ({hold.mode}, by {hold.owner})" for hold in account.holds],
        "unresolved_orders": sorted(
            order.order_id
            for market in view.markets
            for order in market.orders
            if order.state in ("reserved", "unknown")
        ),
    }


def books_are_true(summary: dict[str, Any]) -> bool:
    """Whether the run may end with exit code 0."""
    return (
        summary["conservation_error_micros"] == 0
        and summary["adjustments_micros"] == 0
        and summary["promised_micros"] == 0
        and summary["ledger_equals_exchange"] is True
        and not summary["unresolved_orders"]
    )
