"""Opening the account: the ledger's first numbers come from the exchange, never from a default.

All orders that rest are cancelled first (they are none of the ledger's), and the opening waits until none rests and the
exchange's data are from after that: then balance and positions are one consistent reading. What happened before the
watermark ``opened`` is contained in them.
"""

from __future__ import annotations

from truebook.kalshi.port import ExchangeError, NotFound, RestClient
from truebook.ledger.facts import OPENED, SWEPT
from truebook.ledger.port import AdoptedPosition, LedgerStore
from truebook.runtime.context import Context
from truebook.venue.account import ExchangePosition, OrderStatus


class NotYet(Exception):
    """It can't be done now; the reason is the message. Tried again."""

    retry = True


class Opening:
    """Opens the ledger's account once."""

    def __init__(self, context: Context, rest: RestClient, ledger: LedgerStore) -> None:
        self._context = context
        self._rest = rest
        self._ledger = ledger

    async def open(self) -> None:
        """Open the account, or raise ``NotYet`` with what stands in the way."""
        if await self._rest.cross_market_netting():
            raise NotYet("the account nets across markets, which the ledger does not: switch it off at the exchange")
        await self._cancel_what_rests()
        opened_us = await self._rest.data_time_us()
        balance = await self._rest.balance()
        positions = [position for position in await self._rest.positions() if position.position_centi]
        await self._check_quiet(opened_us, positions)
        adopted = tuple([await self._adopt(position) for position in positions])
        await self._ledger.advance_watermark(OPENED, opened_us)
        await self._ledger.advance_watermark(SWEPT, opened_us)
        answer = await self._ledger.open_account(balance.balance_micros, adopted)
        self._context.log.info(
            "account opened", answer=answer, balance_micros=balance.balance_micros, positions=len(adopted)
        )

    async def _cancel_what_rests(self) -> None:
        resting = await self._rest.orders(status=OrderStatus.RESTING)
        for order in resting:
            try:
                await self._rest.cancel_order(order.exchange_order_id, order.ticker)
            except ExchangeError as error:
                self._context.log.warning("cancel failed", order=order.exchange_order_id, error=str(error))
        if resting:
            raise NotYet(f"{len(resting)} orders rest at the exchange and are being cancelled")

    async def _check_quiet(self, opened_us: int, positions: list[ExchangePosition]) -> None:
        """Check that nothing moved while balance and positions were read."""
        if await self._rest.data_time_us() < opened_us:
            raise NotYet("the exchange's data went back in time")
        late = [fill for fill in await self._rest.fills(min_us=opened_us) if fill.created_us >= opened_us]
        again = [position for position in await self._rest.positions() if position.position_centi]
        if late or again != positions or await self._rest.orders(status=OrderStatus.RESTING):
            raise NotYet("the account moved while it was read: someone else is trading on it")

    async def _adopt(self, position: ExchangePosition) -> AdoptedPosition:
        try:
            event = (await self._rest.market(position.ticker)).event
        except NotFound:
            event = position.ticker
        return AdoptedPosition(
            ticker=position.ticker, event=event, position_centi=position.position_centi,
            cost_micros=position.exposure_micros,
        )  # fmt: skip
