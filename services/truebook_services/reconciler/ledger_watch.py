"""Watches the ledger: exports its values as gauges, the same as in the summary, and halts if its totals are wrong."""

from __future__ import annotations

import math
from typing import Final

from truebook.ledger.port import LedgerStore, LedgerView
from truebook.ledger.trading_holds import CORRUPT_LEDGER
from truebook.ledger.valuation import account_values
from truebook.ledger.verbs import OrderState
from truebook.runtime.context import Context

MONEY: Final = (
    "cash_micros", "overdrawn_micros", "reserved_micros", "fees_micros", "deposits_micros", "adjustments_micros",
    "conservation_error_micros",
)  # fmt: skip
UNKNOWN_AGES: Final = ((10.0, "below 10 s"), (60.0, "below 1 min"), (math.inf, "1 min and more"))


class LedgerWatch:
    """Exports the ledger's values as gauges, and halts if the account's totals do not follow from their parts."""

    def __init__(self, context: Context, ledger: LedgerStore) -> None:
        self._context = context
        self._ledger = ledger
        self.conservation_error_micros = 0
        """Of the last audit."""

    async def run(self) -> None:
        """Read the ledger once, check it, and set every gauge, unless the account is not opened yet."""
        audit = await self._ledger.audit()
        view, errors = audit.view, audit.errors
        self.conservation_error_micros = view.conservation_error_micros
        if errors:
            await self._ledger.apply(CORRUPT_LEDGER.place())
            self._context.log.error("trading halted: the ledger's totals differ from the sums of their parts", **errors)
        if not view.account.opened:
            return
        now_us = self._context.clock.now_us()
        for name, value in gauge_values(view, now_us).items():
            self._context.metrics.gauge(f"ledger_{name}", value)
        for shard in view.account.shards:
            self._context.metrics.gauge("ledger_shard_cash_micros", shard.net_micros, shard=str(shard.exchange_index))
        for age, orders in unknown_by_age(view, now_us).items():
            self._context.metrics.gauge("ledger_unknown_orders_by_age", orders, age=age)


def unknown_by_age(view: LedgerView, now_us: int) -> dict[str, int]:
    """Count unknown orders by the time since their reservation; every age class is returned, also at 0."""
    found = dict.fromkeys((name for _, name in UNKNOWN_AGES), 0)
    for market in view.markets:
        for order in market.orders:
            if order.state is OrderState.UNKNOWN:
                age_s = (now_us - order.reserved_us) / 1e6
                found[next(name for below_s, name in UNKNOWN_AGES if age_s < below_s)] += 1
    return found


def gauge_values(view: LedgerView, now_us: int) -> dict[str, float]:
    """Return the gauges by name: money in micro-dollars, ages in seconds, counts."""
    account, values = view.account, account_values(view, None)
    orders = [order for market in view.markets for order in market.orders]
    unknown_since = [order.reserved_us for order in orders if order.state is OrderState.UNKNOWN]
    return {
        "mode": account.mode.severity,
        "trading_holds": len(account.holds),
        **{name: getattr(values, name) for name in MONEY},
        "in_transit_micros": account.in_transit_micros,
        "exposure_micros": values.position_cost_micros,
        "sequence": account.ledger_seq,
        "open_orders": len(orders),
        "unknown_orders": len(unknown_since),
        "oldest_unknown_order_seconds": (now_us - min(unknown_since)) / 1e6 if unknown_since else 0,
        "parked_fills": account.parked,
    }
