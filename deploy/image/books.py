"""Compare the ledger with the exchange beside the running services, with their settings.

``books.py``            the current state: money, fills, orders, each client order id that the exchange has twice
``books.py --at-rest``  places a trading hold, cancels resting orders, waits until every order has ended, compares
                        exactly, releases the hold. Prints one JSON object; exit code 0: equal, 1: not.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from truebook.clock import SystemClock
from truebook.kalshi.port import RestClient
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import load_signer
from truebook.ledger.port import LedgerStore
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.valuation import account_values
from truebook.runtime.settings import TruebookSettings, load
from truebook_services.embedded.wind_down import resume_after_wind_down, wind_down


async def read(rest: RestClient, ledger: LedgerStore) -> dict[str, Any]:
    """Read the current state of both sides."""
    view = await ledger.view()
    fills = await rest.fills()
    named = Counter(order.client_order_id for order in await rest.orders() if order.client_order_id)
    return {
        **msgspec.structs.asdict(account_values(view, None)),
        "ledger_sequence": view.account.ledger_seq,
        "parked_fills": view.account.parked,
        "fills": len(fills),
        "orders": len(named),
        "orders_sent_twice": sorted(name for name, count in named.items() if count > 1),
    }


async def compare_at_rest(rest: RestClient, ledger: LedgerStore) -> dict[str, Any]:
    """Compare while no order is open, then resume trading, whatever the result."""
    try:
        differences = await wind_down(rest, ledger, SystemClock(), asyncio.sleep)
        found = await read(rest, ledger)
    finally:
        await resume_after_wind_down(ledger)
    return found | {"differences": [str(one) for one in differences], "ledger_equals_exchange": not differences}


def is_true(found: dict[str, Any]) -> bool:
    """Return whether the result is correct."""
    return (
        found["conservation_error_micros"] == 0
        and not found["orders_sent_twice"]
        and found.get("ledger_equals_exchange", True)
        and ("differences" not in found or not (found["unresolved_orders"] or found["reserved_micros"]))
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
