"""From the exchange's news to the ledger, then to the telling: the money moves first, the news follow.

Every fact may come any number of times and in any order, by socket and by REST: the ledger's ids make that harmless.
"""

from __future__ import annotations

import asyncio

from truebook.ledger.facts import OPENED, book_fill, book_order, book_settlement, persist
from truebook.ledger.port import LedgerStore
from truebook.messages.fills import FillBooked, MarketSettled, OrderUpdated
from truebook.messages.ids import digest
from truebook.runtime.context import Context
from truebook.runtime.frames import pause
from truebook.venue.account import ExchangeFill, ExchangeOrder
from truebook_services.fill_listener.telling import Remembered, Telling

OPEN_POLL_S = 0.1
BOOKED = ("applied", "duplicate")
"""Answers after which a fill need not be told to the ledger again by this process."""


class Booking:
    """Books facts and has them told. A fact whose news were put off is booked again: the ledger knows it by its id."""

    def __init__(self, context: Context, ledger: LedgerStore, telling: Telling, most_remembered: int) -> None:
        self._context = context
        self._ledger = ledger
        self._telling = telling
        self._opened_us: int | None = None
        self._booked = Remembered(most_remembered)

    async def is_open(self) -> bool:
        """Tell whether the account is open: what happened before is no news."""
        if self._opened_us is None and (await self._ledger.view(())).account.opened:
            self._opened_us = await self._ledger.watermark(OPENED)
        return self._opened_us is not None

    async def wait_until_open(self, stop: asyncio.Event) -> None:
        """Wait until the reconciler has opened the account, or until ``stop``."""
        while not stop.is_set() and not await self.is_open():
            await pause(stop, self._context, OPEN_POLL_S)

    @property
    def opened_us(self) -> int:
        """Exchange time of the account's opening; only after ``is_open`` has answered true."""
        if self._opened_us is None:
            raise RuntimeError("the account is not open")
        return self._opened_us

    async def fill(self, fill: ExchangeFill) -> str:
        """Book one fill and tell it; answers the ledger's word, ``known`` where this process has done both."""
        key = (fill.trade_id, fill.exchange_order_id)
        if key in self._booked and self._telling.knows(key):
            return "known"
        answer = await book_fill(self._ledger, self._context.clock, fill, self.opened_us)
        self._context.metrics.count("fills_booked", answer=answer)
        if answer == "applied" and fill.created_us:
            late_us = max(0, self._context.clock.now_us() - fill.created_us)
            self._context.metrics.seconds("fill_to_ledger", late_us / 1e6)
        if answer in BOOKED:
            self._booked.add(key)
        elif answer in ("conflict", "invalid"):
            self._context.log.error("a fill contradicts the ledger", answer=answer, fill=str(fill))
        self._context.crash("settled")
        if answer != "before_opening" and not self._telling.knows(key):
            self._telling.put(key, await self._news_of_fill(fill, answer))
        return answer

    async def order(self, order: ExchangeOrder) -> str:
        """Bring an order's state into the ledger and tell it; ``known`` where this process has done so."""
        version = (order.exchange_order_id, f"{order.status} {order.filled_centi} {order.remaining_centi}")
        if self._telling.knows(version):
            return "known"
        answer = await book_order(self._ledger, self._context.clock, order, self.opened_us)
        if answer in ("conflict", "invalid"):
            self._context.log.error("an order contradicts the ledger", answer=answer, order=str(order))
        if answer != "before_opening":
            self._telling.put(version, self._news_of_order(order, answer))
        return answer

    async def settlement(self, ticker: str, settlement_cc: int, settled_us: int | None) -> str:
        """Settle a market and tell it."""
        if settled_us is not None and settled_us < self.opened_us:
            return "before_opening"
        answer = await book_settlement(self._ledger, self._context.clock, ticker, settlement_cc)
        if answer in ("conflict", "invalid"):
            self._context.log.error("a settlement contradicts the ledger", ticker=ticker, settlement_cc=settlement_cc)
        news = MarketSettled(
            id=digest(ticker, "settled", settlement_cc), cause_id="", account=self._context.account,
            strategy=self._context.strategy, ticker=ticker, source=self._context.source, exchange_us=settled_us,
            produced_us=self._context.clock.now_us(), settlement_cc=settlement_cc, answer=answer,
        )  # fmt: skip
        self._telling.put((ticker, f"settled {settlement_cc}"), news)
        return answer

    async def _news_of_fill(self, fill: ExchangeFill, answer: str) -> FillBooked:
        known = await persist(
            self._context.clock, lambda: self._ledger.order_of_exchange_id(fill.exchange_order_id)
        )  # fmt: skip
        client_order_id = fill.client_order_id or (known.order_id if known is not None else "")
        return FillBooked(
            id=digest(fill.trade_id, fill.exchange_order_id), cause_id=client_order_id, account=self._context.account,
            strategy=self._context.strategy, ticker=fill.ticker, source=self._context.source,
            exchange_us=fill.created_us, produced_us=self._context.clock.now_us(), trade_id=fill.trade_id,
            exchange_order_id=fill.exchange_order_id, client_order_id=client_order_id, book_side=fill.book_side,
            price_cc=fill.price_cc, size_centi=fill.size_centi, fee_micros=fill.fee_micros, is_taker=fill.is_taker,
            basis=fill.basis, answer=answer,
        )  # fmt: skip

    def _news_of_order(self, order: ExchangeOrder, answer: str) -> OrderUpdated:
        return OrderUpdated(
            id=digest(order.exchange_order_id, order.status, order.filled_centi, order.remaining_centi),
            cause_id=order.client_order_id, account=self._context.account, strategy=self._context.strategy,
            ticker=order.ticker, source=self._context.source, exchange_us=order.updated_us,
            produced_us=self._context.clock.now_us(), exchange_order_id=order.exchange_order_id,
            client_order_id=order.client_order_id, status=str(order.status), filled_centi=order.filled_centi,
            remaining_centi=order.remaining_centi, answer=answer,
        )  # fmt: skip
