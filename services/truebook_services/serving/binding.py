"""A ledger is bound to one exchange and account; another one is refused before anything is read into the ledger.

A real exchange does not name the account, only the key that signs is known. With another key of the same account, the
ledger is bound to that key if the exchange shows an order that this ledger has sent; else an operator decides
(`truebook rebind`).
"""

from __future__ import annotations

from typing import Final

from truebook.clock import MICROS
from truebook.kalshi.port import RestClient
from truebook.ledger.exchange_reports import OPENED, SWEPT
from truebook.ledger.port import LedgerStore, WrongExchange
from truebook.ledger.verbs import BindExchange

LOOKBACK_US: Final = 86_400 * MICROS


async def check_exchange(ledger: LedgerStore, rest: RestClient) -> None:
    """Refuse an account that was opened on another exchange; bind it to a new key of the same account.

    Raises WrongExchange, other errors of the ledger, and ``ExchangeError``.
    """
    bound = (await ledger.view(())).account.exchange
    identity = await rest.identity()
    if bound in ("", str(identity)):
        return
    if identity.differs_in_key(bound) and await has_our_order(ledger, rest):
        await ledger.apply(BindExchange(exchange=str(identity), former=bound))
        return
    raise WrongExchange(
        f"the ledger's account was opened on another exchange ({bound}), this one is {identity}: connect to its "
        "own exchange, or use another state folder or account, or start over with --fresh; if it is the same account "
        "with a new key, `truebook rebind`"
    )


async def has_our_order(ledger: LedgerStore, rest: RestClient) -> bool:
    """Return whether the exchange shows an order that this ledger has sent: no other account has it."""
    since_us = max(await ledger.watermark(OPENED), await ledger.watermark(SWEPT) - LOOKBACK_US)
    for order in await rest.orders(min_us=since_us):
        known = await ledger.order_of_exchange_id(order.exchange_order_id)
        if known is not None and known.order_id == order.client_order_id:
            return True
    return False
