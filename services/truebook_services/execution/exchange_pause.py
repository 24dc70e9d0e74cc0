"""The trading hold ``exchange_paused``: placed when the exchange reports a pause, released when it trades again.

Without it a pause causes a storm of rejected orders. The hold is kept in the ledger, so it survives a restart.
"""

from __future__ import annotations

from truebook.kalshi.port import ExchangeError, ExchangeStatus, RestClient
from truebook.ledger.exchange_reports import persist
from truebook.ledger.outcomes import hold_without_scope
from truebook.ledger.port import LedgerStore
from truebook.ledger.trading_holds import EXCHANGE_PAUSED
from truebook.runtime.context import Context
from truebook.venue.shards import DEFAULT_SHARD


class ExchangePauseHold:
    """Places and releases the hold, of the account or of one shard."""

    def __init__(self, context: Context, rest: RestClient, ledger: LedgerStore) -> None:
        self._context = context
        self._rest = rest
        self._ledger = ledger

    async def place(self, detail: str, exchange_index: int = DEFAULT_SHARD) -> None:
        """Hold trading on a shard, at an exchange without shards all: an order was refused because of a pause."""
        self._context.log.warning("exchange paused", detail=detail, exchange_index=exchange_index)
        status = await self._status()
        has_shards = exchange_index != DEFAULT_SHARD or (status is not None and len(status.shards) > 1)
        verb = EXCHANGE_PAUSED.of_shard(exchange_index).place() if has_shards else EXCHANGE_PAUSED.place()
        await persist(self._context.clock, lambda: self._ledger.apply(verb))

    async def check(self) -> None:
        """Release the holds of which the exchange reports that the pause is over."""
        account = (await self._ledger.view(())).account
        placed = {hold.name for hold in account.holds if hold_without_scope(hold.name) == EXCHANGE_PAUSED.name}
        status = await self._status() if placed else None
        if status is None:
            return
        over = [EXCHANGE_PAUSED.release()] if status.exchange_active and status.trading_active else []
        over += [
            EXCHANGE_PAUSED.of_shard(shard.exchange_index).release()
            for shard in status.shards
            if shard.exchange_active and shard.trading_active
        ]
        for release in over:
            if release.name in placed:
                await self._ledger.apply(release)
                self._context.log.info("exchange resumed trading", hold=release.name)

    async def _status(self) -> ExchangeStatus | None:
        try:
            return await self._rest.status()
        except ExchangeError as error:
            self._context.log.warning("could not read the exchange status", error=str(error))
            return None
