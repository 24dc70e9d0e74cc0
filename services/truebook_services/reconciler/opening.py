"""Open the account with the exchange's balance and positions, never with defaults.

All resting orders are cancelled first, because the ledger does not know them. The account is opened once no order rests
and the exchange's data is newer than that: balance and positions are then consistent, and contain everything before the
watermark ``opened``.
"""

from __future__ import annotations

from typing import Final

from truebook.clock import MICROS
from truebook.kalshi.port import ExchangeError, NotFound, RestClient
from truebook.ledger.exchange_reports import OPENED, SWEPT
from truebook.ledger.port import LedgerStore
from truebook.ledger.verbs import AdoptedPosition, AdvanceWatermark, BindExchange, OpenAccount
from truebook.runtime.context import Context
from truebook.venue.account import ExchangeOrder, ExchangePosition, OrderStatus, UnreadableItem
from truebook.venue.shards import DEFAULT_SHARD, TransferStatus

SETTLED_AFTER_US: Final = 2 * MICROS
"""The exchange states whole seconds: a transfer that is older than this was certainly made before."""


class NotReady(Exception):
    """The account cannot be opened or reconciled now, for the stated reason; retried."""

    retry = True


async def cancel(context: Context, rest: RestClient, order: ExchangeOrder | UnreadableItem) -> None:
    """Cancel an order, or log why that failed: the next run finds it again if it still rests."""
    try:
        await rest.cancel_order(order.exchange_order_id, order.ticker)
    except ExchangeError as error:
        context.log.warning("cancel failed", order=order.exchange_order_id, error=str(error))


class AccountOpener:
    """Opens the ledger's account once."""

    def __init__(self, context: Context, rest: RestClient, ledger: LedgerStore) -> None:
        self._context = context
        self._rest = rest
        self._ledger = ledger
        self._odd: set[str] = set()
        """Exchange order ids that can't be read and were cancelled once, as far as possible: no reason to wait."""

    async def open(self) -> None:
        """Open the account; raises ``NotReady`` with the reason if it cannot be opened now."""
        if await self._rest.cross_market_netting():
            raise NotReady("the account nets positions across markets: disable that at the exchange")
        await self._cancel_resting()
        opened_us = await self._rest.data_time_us()
        balance = await self._rest.balance()
        if len(balance.by_shard) > 1:
            await self._check_transfers(opened_us)
        listed = await self._rest.positions()
        if listed.unreadable:  # a size that is not known is not 0, and the ledger can't adopt it later
            first = listed.unreadable[0]
            raise NotReady(
                f"{len(listed.unreadable)} positions can't be read ({first.ticker or 'no market'}: {first.why})"
            )
        positions = [position for position in listed if position.position_centi]
        await self._check_quiet(opened_us, positions)
        adopted = tuple([await self._adopt(position) for position in positions])
        await self._ledger.apply(AdvanceWatermark(name=OPENED, to_us=opened_us))
        await self._ledger.apply(AdvanceWatermark(name=SWEPT, to_us=opened_us))
        opened = OpenAccount(
            balance_micros=balance.balance_micros, positions=adopted, exchange=str(await self._rest.identity()),
            shards=tuple(one for one in balance.by_shard if one.exchange_index != DEFAULT_SHARD),
        )  # fmt: skip
        outcome = await self._ledger.apply(opened)
        self._context.log.info(
            "account opened", outcome=outcome, balance_micros=balance.total_micros, positions=len(adopted)
        )

    async def bind(self) -> None:
        """Bind an account that an earlier build opened without its exchange: ledger and exchange have agreed."""
        if not (await self._ledger.view(())).account.exchange:
            identity = str(await self._rest.identity())
            outcome = await self._ledger.apply(BindExchange(exchange=identity))
            self._context.log.info("account bound to its exchange", exchange=identity, outcome=outcome)

    async def _cancel_resting(self) -> None:
        resting = await self._rest.orders(status=OrderStatus.RESTING)
        for order in resting:
            await cancel(self._context, self._rest, order)
        odd = [one for one in resting.unreadable if one.exchange_order_id not in self._odd]
        for one in odd:
            self._odd.add(one.exchange_order_id)
            if one.exchange_order_id:
                await cancel(self._context, self._rest, one)
        if odd:
            raise NotReady(f"{len(odd)} orders that can't be read are being cancelled ({odd[0].why})")
        if resting:
            raise NotReady(f"{len(resting)} resting orders are being cancelled")

    async def _check_transfers(self, opened_us: int) -> None:
        """Check that no cash is on the way between shards, and that every listed transfer is in the balances."""
        listed = await self._rest.shard_transfers()
        newest_us = max((one.created_us for one in listed), default=0)
        if any(one.status is TransferStatus.PENDING for one in listed) or newest_us + SETTLED_AFTER_US > opened_us:
            raise NotReady("a transfer between shards is under way")

    async def _check_quiet(self, opened_us: int, positions: list[ExchangePosition]) -> None:
        """Check that the account did not change while balance and positions were read."""
        if await self._rest.data_time_us() < opened_us:
            raise NotReady("the exchange's data went back in time")
        fills = await self._rest.fills(min_us=opened_us)
        late = fills.unreadable or [fill for fill in fills if fill.created_us >= opened_us]
        again = [position for position in await self._rest.positions() if position.position_centi]
        if late or again != positions or await self._rest.orders(status=OrderStatus.RESTING):
            raise NotReady("the account changed while it was read: another program is trading on it")

    async def _adopt(self, position: ExchangePosition) -> AdoptedPosition:
        try:
            event = (await self._rest.market(position.ticker)).event
        except NotFound:
            event = position.ticker
        return AdoptedPosition(
            ticker=position.ticker, event=event, position_centi=position.position_centi,
            cost_micros=position.exposure_micros, exchange_index=position.exchange_index,
        )  # fmt: skip
