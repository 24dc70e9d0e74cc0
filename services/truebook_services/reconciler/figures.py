"""The account's figures for whoever watches: gauges of what the ledger holds, the same that the summary tells."""

from __future__ import annotations

import math
from typing import Final

from truebook.ledger.port import LedgerStore, View
from truebook.ledger.valuation import position_cost
from truebook.runtime.context import Context

MODES: Final = ("running", "reduce_only", "flattening", "halted")
"""By severity: the gauge ``truebook_ledger_mode`` is the place in this list."""
UNKNOWN_AGES: Final = ((10.0, "below 10 s"), (60.0, "below 1 min"), (math.inf, "1 min and more"))


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
        now_us = self._context.clock.now_us()
        for name, value in figures_of(view, now_us).items():
            self._context.metrics.gauge(f"ledger_{name}", value)
        for age, orders in unknown_by_age(view, now_us).items():
            self._context.metrics.gauge("ledger_unknown_orders_by_age", orders, age=age)


def unknown_by_age(view: View, now_us: int) -> dict[str, int]:
    """How many orders' fate has been unknown for how long since they were reserved; every age is there, at 0 too."""
    found = dict.fromkeys((name for _, name in UNKNOWN_AGES), 0)
    for market in view.markets:
        for order in market.orders:
            if order.state == "unknown":
                age_s = (now_us - order.reserved_us) / 1e6
                found[next(name for below_s, name in UNKNOWN_AGES if age_s < below_s)] += 1
    return found


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
