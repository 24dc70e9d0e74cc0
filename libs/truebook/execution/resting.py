"""Which resting orders must not rest: under a halt, on a stale book, or reduce-only with an opening part. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from truebook.ledger.outcomes import hold_without_scope
from truebook.ledger.port import AccountView, LedgerView, OrderView
from truebook.ledger.trading_holds import KEEPING_ORDERS
from truebook.ledger.verbs import Mode, OrderState
from truebook.messages.reasons import Reason
from truebook.venue.shards import DEFAULT_SHARD


def to_cancel(
    view: LedgerView, age_us: Callable[[str], int], stale_after_us: int
) -> Iterator[tuple[OrderView, Reason]]:  # fmt: skip
    """List the resting orders to be cancelled, each with its reason; ``age_us`` is the age of a market's book."""
    for market in view.markets:
        if not market.orders:
            continue
        mode = cancelling_mode(view.account, market.ticker, market.exchange_index)
        is_stale = age_us(market.ticker) > stale_after_us
        for order in market.orders:
            if order.state is not OrderState.ACKNOWLEDGED:
                continue
            if mode is Mode.HALTED or (mode is Mode.FLATTENING and not order.reduce_only):
                yield order, Reason.HOLD
            elif order.reduce_only and order.opening_centi > 0:
                yield order, Reason.REDUCE_ONLY
            elif is_stale:
                yield order, Reason.STALE_BOOK


def cancelling_mode(account: AccountView, ticker: str, exchange_index: int = DEFAULT_SHARD) -> Mode:
    """Return the most severe mode among the holds of the account, the market and its shard that also cancel orders."""
    cancelling = (
        (hold.name, hold.mode) for hold in account.holds if hold_without_scope(hold.name) not in KEEPING_ORDERS
    )
    return Mode.severest(cancelling, ticker, exchange_index)
