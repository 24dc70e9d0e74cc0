"""The orderly end of a run: halt, cancel all orders, wait for their terminal states, compare exactly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from truebook.clock import Clock
from truebook.kalshi.port import ExchangeError, RestClient
from truebook.ledger.port import LedgerError, LedgerStore
from truebook.ledger.reconcile import Difference
from truebook.ledger.trading_holds import WIND_DOWN
from truebook_services.reconciler.compare import compare_exactly

TERMINAL_WITHIN_S = 30.0
CANCEL_AGAIN_S = 3.0
POLL_S = 0.1
QUIET_ROUNDS = 20
"""A settlement or a late fill may fall between two queries: a repeated comparison shows whether a difference stays."""

Wait = Callable[[float], Awaitable[None]]


async def resume_after_wind_down(ledger: LedgerStore) -> None:
    """Release the hold that the end of the last run placed, so that this run may trade."""
    await ledger.apply(WIND_DOWN.release())


async def wind_down(rest: RestClient, ledger: LedgerStore, clock: Clock, wait: Wait) -> Sequence[Difference]:
    """End trading while the services still run; returns what differs between ledger and exchange.

    ``wait`` sleeps real seconds: a fast capture must not shorten the timeout. An order without a known outcome after
    ``TERMINAL_WITHIN_S`` stays in the ledger's view, where the summary lists it.
    """
    await ledger.apply(WIND_DOWN.place())
    deadline_us = clock.monotonic_us() + int(TERMINAL_WITHIN_S * 1e6)
    cancel_at_us = 0
    while await _open_orders(ledger) and clock.monotonic_us() < deadline_us:
        if clock.monotonic_us() >= cancel_at_us:
            await _cancel_all(rest)
            cancel_at_us = clock.monotonic_us() + int(CANCEL_AGAIN_S * 1e6)
        await wait(POLL_S)
    return await _compare_until_quiet(rest, ledger, wait)


async def _open_orders(ledger: LedgerStore) -> int:
    return sum(len(market.orders) for market in (await ledger.live_view()).markets)


async def _cancel_all(rest: RestClient) -> None:
    try:
        await rest.cancel_all()
    except ExchangeError as error:
        if not error.retry:
            raise


async def _compare_until_quiet(rest: RestClient, ledger: LedgerStore, wait: Wait) -> Sequence[Difference]:
    found: Sequence[Difference] = ()
    for _ in range(QUIET_ROUNDS):
        try:
            found = await compare_exactly(rest, ledger)
        except (ExchangeError, LedgerError) as error:
            if not error.retry:
                raise
            found = (Difference(what="comparison", ledger="?", exchange=f"unreachable: {error}"),)
        if not found:
            break
        await wait(5 * POLL_S)
    return found
