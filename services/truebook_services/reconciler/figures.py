"""The account's figures for whoever watches: gauges of what the ledger holds, the same that the summary tells."""

from __future__ import annotations

from typing import Final

from truebook.ledger.port import LedgerStore, View
from truebook.ledger.valuation import position_cost
from truebook.runtime.context import Context

MODES: Final = ("running", "reduce_only", "flattening", "halted")
"""By severity: the gauge ``truebook_ledger_mode`` is the place in this list."""


class Figures:
    """Shows the ledger's numbers as metrics."""

    def __init__(self, context: Context, ledger: LedgerStore) -> None:
        self._context = context
        self._ledger = ledger

    async def show(self) -> None:
        """Read the ledger once and set every gauge; a ledger that is not opened yet has no figures."""
        view = await self._ledger.view()
        if not view.account.opened:
            return
        for name, value in figures_of(view, self._context.clock.now_us()).items():
            self._context.metrics.gauge(f"ledger_{name}", value)


def figures_of(view: View, now_us: int) -> dict[str, float]:
    """What there is to show: money in micro-dollars, ages in seconds, counts."""
    account = view.account
    orders = [order for market in view.markets for order in market.orders]
    unknown_since = [order.reserved_us for order in orders if order.state == "unknown"]
    return {
        "mode": MODES.index(account.mode),
        "holds": len(account.holds),
        "cash_micros": account.cash_micros,
        "overdrawn_micros": account.overdrawn_micros,
        "promised_micros": account.promised_micros,
        "exposure_micros": sum(position_cost(market) for market in view.markets),
        "fees_micros": account.fees_micros,
        "deposits_micros": account.deposits_micros,
        "adjustments_micros": account.adjustments_micros,
        "conservation_error_micros": account.conservation_error_micros,
        "sequence": account.ledger_seq,
        "open_orders": len(orders),
        "unknown_orders": len(unknown_since),
        "oldest_unknown_order_seconds": (now_us - min(unknown_since)) / 1e6 if unknown_since else 0,
        "parked_fills": account.parked,
    }
