"""Read ledger and exchange at one moment, by signed REST only, and compare them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from truebook.kalshi.port import RestClient
from truebook.ledger.port import LedgerStore, LedgerView
from truebook.ledger.reconcile import NOTHING_UNREAD, Comparison, Difference, FeeHold, Unread, common, compare
from truebook.ledger.trading_holds import UNREADABLE
from truebook.messages.ids import is_ours
from truebook.venue.account import (
    ExchangeBalance,
    ExchangeOrder,
    ExchangePosition,
    OrderStatus,
    UnreadableItem,
)

ATTEMPTS = 5


class BothSides(msgspec.Struct, frozen=True, kw_only=True):
    """Ledger and exchange, as close to one moment as two systems allow: the ledger before and after the exchange."""

    before: LedgerView
    view: LedgerView
    """The later one."""
    balance: ExchangeBalance
    positions: Sequence[ExchangePosition]
    resting: Sequence[ExchangeOrder]
    unread: Unread = NOTHING_UNREAD
    """Of the held markets too."""
    listed_unread: frozenset[str] = frozenset()
    """The markets of which these lists have something unreadable."""

    @property
    def is_quiet(self) -> bool:
        """Whether the ledger did not change while the exchange was read."""
        return self.before.account.ledger_seq == self.view.account.ledger_seq

    @property
    def exact(self) -> bool:
        """Whether no order is open on either side: then the money must be equal, at the exchange's precision."""
        return self.is_quiet and not self.resting and self.view.account.reserved_micros == 0

    def compare(self, fee_hold: FeeHold | None = None) -> Comparison:
        """Compare; what only one of the two views differs by is a change meanwhile, not a difference."""
        later = compare(self.view, self.balance, self.positions, self.resting, fee_hold=fee_hold, unread=self.unread)
        if self.is_quiet:
            return later
        earlier = compare(
            self.before, self.balance, self.positions, self.resting, fee_hold=fee_hold, unread=self.unread
        )
        both = common(earlier.differences, later.differences)
        return Comparison(differences=both, uncertain=earlier.uncertain | later.uncertain, unread=later.unread)

    def differences(self) -> tuple[Difference, ...]:
        return self.compare().differences


async def read_both(rest: RestClient, ledger: LedgerStore, attempts: int = ATTEMPTS) -> BothSides:
    """Read both sides; repeat up to ``attempts`` times while the ledger changes meanwhile. A failed query raises."""
    for _ in range(attempts):
        before = await ledger.view()
        balance = await rest.balance()
        positions = await rest.positions()
        resting = await rest.orders(status=OrderStatus.RESTING)
        view = await ledger.view()
        unread_positions = frozenset(one.ticker for one in positions.unreadable if one.ticker)
        of_orders = markets_of_own_orders(view, resting.unreadable)
        held = view.account.markets_held(UNREADABLE.name)
        sides = BothSides(
            before=before, view=view, balance=balance, positions=positions, resting=resting,
            unread=Unread(markets=held | of_orders, positions=unread_positions),
            listed_unread=of_orders | unread_positions,
        )  # fmt: skip
        if sides.is_quiet:
            break
    return sides


def own_orders(view: LedgerView, unreadable: Iterable[UnreadableItem]) -> list[tuple[UnreadableItem, str]]:
    """Return the unreadable orders that are ours, by our id or by the exchange's, each with its market or ""."""
    own = {order.exchange_order_id: order.ticker for market in view.markets for order in market.orders}
    own |= {order.order_id: order.ticker for market in view.markets for order in market.orders}
    found = [(one, own.get(one.exchange_order_id) or own.get(one.client_order_id)) for one in unreadable]
    return [(one, ticker or one.ticker) for one, ticker in found if ticker or is_ours(one.client_order_id)]


def markets_of_own_orders(view: LedgerView, unreadable: Iterable[UnreadableItem]) -> frozenset[str]:
    """Return the markets of unreadable orders that are ours."""
    return frozenset(ticker for _, ticker in own_orders(view, unreadable) if ticker)


async def compare_exactly(rest: RestClient, ledger: LedgerStore) -> tuple[Difference, ...]:
    """Return every difference; none means that both agree. A failed query raises; it never counts as "flat"."""
    return (await read_both(rest, ledger)).differences()
