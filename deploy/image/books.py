"""Are the books true? Compares the ledger with the exchange, beside the running services, with their settings.

``books.py``            what there is now: money, fills, orders, each client order id that the exchange has twice
``books.py --at-rest``  holds trading, cancels what rests, waits until every order has ended, compares exactly, lets
                        trading go on. One JSON object on standard output; exit code 0: true, 1: not.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

from truebook.clock import SystemClock
from truebook.kalshi.port import RestClient
from truebook.kalshi.rest import HttpRestClient
from truebook.kalshi.signing import load_signer
from truebook.ledger.port import LedgerStore
from truebook.ledger.redis_store import RedisStore
from truebook.runtime.settings import TruebookSettings, load
from truebook_services.embedded.wind_down import resume_after_wind_down, wind_down


async def read(rest: RestClient, ledger: LedgerStore) -> dict[str, Any]:
    """What both sides say now."""
    view = await ledger.view()
    account = view.account
    fills = await rest.fills()
    named = Counter(order.client_order_id for order in await rest.orders() if order.client_order_id)
    return {
        "mode": account.mode,
        "holds": [hold.name for hold in account.holds],
        "cash_micros": account.cash_micros,
        "promised_micros": account.promised_micros,
        "fees_micros": account.fees_micros,
        "adjustments_micros": account.adjustments_micros,
        "conservation_error_micros": account.conservation_error_micros,
        "ledger_sequence": account.ledger_seq,
        "parked_fills": account.parked,
        "unresolved_orders": sorted(
            order.order_id
            for market in view.markets
            for order in market.orders
            if order.state in ("reserved", "unknown")
        ),
        "fills": len(fills),
        "orders": len(named),
        "orders_sent_twice": sorted(name for name, count in named.items() if count > 1),
    }


async def compare_at_rest(rest: RestClient, ledger: LedgerStore) -> dict[str, Any]:
    """Compare while nothing is open, then let trading go on, whatever was found."""
    try:
        differences = await wind_down(rest, ledger, SystemClock(), asyncio.sleep)
        found = await read(rest, ledger)
    finally:
        await resume_after_wind_down(ledger)
    return found | {"differences": [str(one) for one in differences], "ledger_equals_exchange": not differences}


def is_true(found: dict[str, Any]) -> bool:
    """Nothing is wrong with what was found."""
    return (
        found["conservation_error_micros"] == 0
        and not found["orders_sent_twice"]
        and found.get("ledger_equals_exchange", True)
        and ("differences" not in found or not (found["unresolved_orders"] or found["promised_micros"]))
    )


async def main(at_rest: bool) -> int:
    settings = load(TruebookSettings)
    key_id, key_file = settings.credentials()
    url = (settings.exchange_url or "").rstrip("/")
    async with AsyncExitStack() as stack:
        rest = HttpRestClient(f"{url}/trade-api/v2", load_signer(key_id, key_file), SystemClock())
        stack.push_async_callback(rest.aclose)
        ledger = await RedisStore.connect(
            settings.redis_url or "", settings.account, password=settings.redis_password()
        )  # fmt: skip
        stack.push_async_callback(ledger.aclose)
        found = await (compare_at_rest(rest, ledger) if at_rest else read(rest, ledger))
    sys.stdout.write(json.dumps(found) + "\n")
    return 0 if is_true(found) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main("--at-rest" in sys.argv[1:])))
