"""Cancels orders that must not rest: under a halt, on a stale book, or reduce-only with an opening part."""

from __future__ import annotations

from truebook.execution.book_states import BookStates
from truebook.execution.resting import cancelling_mode, to_cancel
from truebook.ledger.port import LedgerStore
from truebook_services.execution.canceller import Canceller
from truebook_services.execution.order_group import OrderGroup


class Sweep:
    """Checks every resting order periodically."""

    def __init__(
        self, ledger: LedgerStore, states: BookStates, canceller: Canceller, group: OrderGroup, *, stale_after_us: int
    ) -> None:
        self._ledger = ledger
        self._group = group
        self._states = states
        self._canceller = canceller
        self._stale_after_us = stale_after_us

    async def run(self) -> None:
        """Cancel all that must not rest, once.

        After a halt has triggered the order group, the exchange reports its orders as cancelled; the next run cancels
        what still counts as resting.
        """
        view = await self._ledger.live_view()
        if not await self._group.follow(cancelling_mode(view.account, ticker="")):
            await self._canceller.cancel_all(to_cancel(view, self._states.age_us, self._stale_after_us))
