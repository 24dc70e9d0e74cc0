"""Recognize deposits and withdrawals that were made at the exchange's own pages, with proof only.

The proof: no order is open, cash is all that differs, and the newest transfers of the exchange's lists that the ledger
lacks add up to the difference. Without lists, or with another amount, an operator decides (`truebook deposit
--recognize`, `withdraw --recognize`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from truebook.kalshi.port import ExchangeError, RestClient
from truebook.ledger.exchange_reports import OPENED
from truebook.ledger.outcomes import AdjustKind, AdjustOutcome
from truebook.ledger.port import LedgerStore
from truebook.ledger.reconcile import BALANCE_PRECISION_MICROS, Difference
from truebook.ledger.verbs import Adjust
from truebook.runtime.context import Context
from truebook.venue.account import CashTransfer


class Moved(NamedTuple):
    """What a transfer has moved, its fee included or not."""

    transfer_id: str
    amount_micros: int


def explaining(amount_micros: int, transfers: Sequence[CashTransfer]) -> tuple[Moved, ...]:
    """Return the newest of the transfers that add up to the amount; empty if no number of them does."""
    for has_fees in (False, True):
        found: tuple[Moved, ...] = ()
        for transfer in reversed(transfers):
            fee_micros = 0 if has_fees else transfer.fee_micros
            found += (Moved(transfer.transfer_id, transfer.amount_micros - fee_micros),)
            if abs(sum(moved.amount_micros for moved in found) - amount_micros) < BALANCE_PRECISION_MICROS:
                return found
    return ()


async def unrecorded_transfers(rest: RestClient, ledger: LedgerStore) -> list[CashTransfer]:
    """Read the transfers since the account's opening that the ledger lacks, oldest first."""
    listed = await rest.transfers(min_us=await ledger.watermark(OPENED))
    return [one for one in listed if await ledger.adjustment(one.transfer_id) is None]


class TransferRecognizer:
    """Records the exchange's own deposits and withdrawals."""

    def __init__(self, context: Context, rest: RestClient, ledger: LedgerStore) -> None:
        self._context = context
        self._rest = rest
        self._ledger = ledger

    async def recognize(self, difference: Difference) -> bool:
        """Record the transfers that explain an exact difference of cash; return whether they do."""
        try:
            unrecorded = await unrecorded_transfers(self._rest, self._ledger)
        except ExchangeError as error:  # a key without that scope, for example: no proof, and the difference halts
            self._context.log.warning("transfers can't be read", error=str(error))
            return False
        moved = explaining(difference.amount, unrecorded)
        for transfer_id, amount_micros in moved:
            adjust = Adjust(
                adjust_id=transfer_id, amount_micros=amount_micros, kind=AdjustKind.DEPOSIT, reason="exchange's list",
                exchange_index=difference.exchange_index,
            )  # fmt: skip
            outcome = await self._ledger.apply(adjust)
            if outcome is not AdjustOutcome.ADJUSTED:
                return False
            self._context.log.info("transfer recognized", transfer_id=transfer_id, amount_micros=amount_micros)
        return bool(moved)
