"""What differs between ledger and exchange for longer than two systems need to agree."""

from __future__ import annotations

import asyncio
from typing import Final

from truebook.kalshi.port import RestClient
from truebook.ledger.port import LedgerStore
from truebook.ledger.reconcile import TRANSIENT, Difference, common
from truebook_services.reconciler.compare import read_both

DIFFERS_FOR_S: Final = 15.0
COMPARE_EVERY_S: Final = 0.5
MIN_ROUNDS: Final = 4


async def lasting_differences(
    rest: RestClient, ledger: LedgerStore, within_s: float = DIFFERS_FOR_S, every_s: float = COMPARE_EVERY_S
) -> tuple[Difference, ...]:
    """Return what differs in every comparison for ``within_s`` seconds.

    Ledger and exchange are not read at one moment, and a fill is at the exchange before it is in the ledger: a
    difference that is gone in the next comparison is none.
    """
    loop = asyncio.get_running_loop()
    deadline, rounds = loop.time() + within_s, 0
    lasting: tuple[Difference, ...] = ()
    while rounds < MIN_ROUNDS or loop.time() < deadline:
        sides = await read_both(rest, ledger, attempts=1)
        found = tuple(each for each in sides.differences() if each.kind not in TRANSIENT)
        lasting = found if rounds == 0 else common(lasting, found)
        rounds += 1
        if not lasting:
            break
        await asyncio.sleep(every_s)
    return lasting
