"""Reading ledger and exchange at one moment, and the comparison at the end of a run: by signed REST alone."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from truebook.kalshi.port import RestClient
from truebook.ledger.port import LedgerStore, View
from truebook.ledger.reconcile import Difference, differences
from truebook.venue.account import ExchangeBalance, ExchangeOrder, ExchangePosition, OrderStatus

ATTEMPTS = 5


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Both sides, as near to one moment as two systems allow."""

    view: View
    balance: ExchangeBalance
    positions: Sequence[ExchangePosition]
    resting: Sequence[ExchangeOrder]

    @property
    def exact(self) -> bool:
        """No order is open on either side: the money must be equal to the exchange's precision."""
        return not self.resting and self.view.account.promised_micros == 0

    def differences(self) -> tuple[Difference, ...]:
        return differences(self.view, self.balance, self.positions, self.resting)


async def read_both(rest: RestClient, ledger: LedgerStore, attempts: int = ATTEMPTS) -> Reading:
    """Read everything; taken again, a few times, while the ledger moves meanwhile. A failed query raises."""
    for _ in range(attempts):
        before = await ledger.view()
        balance = await rest.balance()
        positions = await rest.positions()
        resting = await rest.orders(status=OrderStatus.RESTING)
        after = await ledger.view()
        if before.account.ledger_seq == after.account.ledger_seq:
            break
    return Reading(view=after, balance=balance, positions=positions, resting=resting)


async def compare_exactly(rest: RestClient, ledger: LedgerStore) -> tuple[Difference, ...]:
    """List every difference; empty means true books. A failed query raises: it is never read as "flat"."""
    return (await read_both(rest, ledger)).differences()
