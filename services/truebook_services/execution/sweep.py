"""What must not go on resting: orders under a halt, in markets whose book is lost, or that began to open a position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from truebook.ledger.port import AccountView, LedgerStore, OrderView, View
from truebook.messages.reasons import Reason
from truebook_services.execution.books import Books
from truebook_services.execution.canceller import Canceller
from truebook_services.execution.settings import ExecutionSettings

KEEP_RESTING: Final = frozenset({"reconciliation", "clock", "exchange_paused", "operator_keep_orders"})
"""Holds that stop new orders but leave resting ones alone: the system's own pauses for thought, and the operator's
halt that was told to keep them."""


class Sweep:
    """Looks over every resting order again and again and cancels what has lost its right to rest."""

    def __init__(self, settings: ExecutionSettings, ledger: LedgerStore, books: Books, canceller: Canceller) -> None:
        self._ledger = ledger
        self._books = books
        self._canceller = canceller
        self._stale_us = int(settings.cancel_stale_s * 1e6)

    async def run(self) -> None:
        """Cancel all that must go, once."""
        await self._canceller.cancel_all(must_go(await self._ledger.view(), self._books, self._stale_us))


def must_go(view: View, books: Books, stale_us: int) -> Iterator[tuple[OrderView, Reason | None]]:
    """List the resting orders to be cancelled, each with its reason."""
    mode = cancelling_mode(view.account)
    for market in view.markets:
        lost = books.age_us(market.ticker) > stale_us
        for order in market.orders:
            if order.state != "acknowledged":
                continue
            if mode == "halted" or (mode == "flattening" and not order.reduce_only):
                yield order, Reason.HOLD
            elif order.reduce_only and order.opening_centi > 0:
                yield order, Reason.REDUCE_ONLY
            elif lost:
                yield order, Reason.STALE_BOOK


def cancelling_mode(account: AccountView) -> str:
    """The most severe mode among the holds that also end resting orders."""
    modes = {hold.mode for hold in account.holds if hold.name not in KEEP_RESTING}
    return next((mode for mode in ("halted", "flattening") if mode in modes), "running")
