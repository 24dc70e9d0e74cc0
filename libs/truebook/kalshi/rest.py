"""Kalshi's REST API behind ``kalshi.port.RestClient``: what is asked and how it is read; calls are ``rest_calls``'.

Reads follow every page and are tried again when that may help; writes are sent once. Market data need no signature,
but a signed read is accepted everywhere, so every request is signed the same way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from truebook.clock import MICROS, Clock
from truebook.kalshi import times, translate, wire
from truebook.kalshi.errors import bad_answer
from truebook.kalshi.port import ExchangeStatus, NotFound, RestBook, RestClient, SignedOrder
from truebook.kalshi.rest_calls import Calls, Dated
from truebook.kalshi.rest_facts import FactsJoiner
from truebook.kalshi.signing import Signer
from truebook.messages.facts import MarketFacts
from truebook.money import WireFormatError
from truebook.venue.account import (
    CancelAnswer,
    CreateAnswer,
    ExchangeBalance,
    ExchangeFill,
    ExchangeOrder,
    ExchangePosition,
    ExchangeSettlement,
    OrderRequest,
    OrderStatus,
)

ORDERS: Final = "/portfolio/events/orders"
TICKERS_PER_CALL: Final = 100
CANCEL_TIMEOUT_S: Final = 5.0

T = TypeVar("T")
Wire = TypeVar("Wire")


class HttpRestClient(RestClient):
    """REST at ``base_url`` ('http://127.0.0.1:18080/trade-api/v2'); production and unknown hosts are refused.

    ``transport`` replaces the network (tests, simulations). ``signature_life_s`` is how long the exchange accepts a
    signature: 15 s at the simulated exchange; at Kalshi more than 5 s and less than 30 s, so 30 is the safe bound
    there. ``read_attempts`` 1 turns the retries off, which wait in real time.
    """

    def __init__(
        self,
        base_url: str,
        signer: Signer,
        clock: Clock,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        signature_life_s: float = 15,
        read_timeout_s: float = 5.0,
        read_attempts: int = 3,
    ) -> None:
        self._clock = clock
        self._signature_life_us = int(signature_life_s * MICROS)
        self._calls = Calls(
            base_url, signer, clock,
            transport=transport, read_timeout_s=read_timeout_s, read_attempts=read_attempts,
        )  # fmt: skip
        self._facts = FactsJoiner(self._calls, clock)

    async def status(self) -> ExchangeStatus:
        told = await self._calls.read("/exchange/status", wire.Status)
        return ExchangeStatus(exchange_active=told.exchange_active, trading_active=told.trading_active)

    async def data_time_us(self) -> int:
        told = await self._calls.read("/exchange/user_data_timestamp", wire.UserDataTimestamp)
        return _translated(times.from_rfc3339, told.as_of_time, "GET /exchange/user_data_timestamp")

    async def exchange_time_us(self) -> int:
        """The exchange's clock as of the return. Precision: see ``estimate_exchange_us``, plus half a round trip."""
        told, dated = await self._calls.read_dated("/exchange/user_data_timestamp", wire.UserDataTimestamp)
        as_of_us = _translated(times.from_rfc3339, told.as_of_time, "GET /exchange/user_data_timestamp")
        return estimate_exchange_us(as_of_us, dated)

    async def markets(
        self,
        *,
        status: str | None = None,
        tickers: Sequence[str] = (),
        series: str | None = None,
        multivariate: bool = False,
    ) -> list[MarketFacts]:
        """Markets by the exchange's filter words (``status`` 'open', 'closed', ...); combinations only if asked.

        One that can't be read is left out; raises ``BadAnswer`` where none can.
        """
        query: dict[str, str | int] = {}
        if status is not None:
            query["status"] = status
        if series is not None:
            query["series_ticker"] = series
        if not tickers and not multivariate:
            query["mve_filter"] = "exclude"
        found: list[msgspec.Raw] = []
        for start in range(0, max(len(tickers), 1), TICKERS_PER_CALL):
            some = {"tickers": ",".join(tickers[start : start + TICKERS_PER_CALL])} if tickers else {}
            found += await self._calls.pages("/markets", wire.MarketsPage, {**query, **some}, lambda page: page.markets)
        return await _joined(self._facts.join_readable(found), "GET /markets")

    async def market(self, ticker: str) -> MarketFacts:
        path = f"/markets/{quote(ticker, safe='')}"
        told = await self._calls.read(path, wire.MarketAnswer)
        return (await _joined(self._facts.join([told.market]), f"GET {path}"))[0]

    def forget_facts(self) -> None:
        """Ask for fees and events anew at the next need: after an ``event_fee_update`` frame."""
        self._facts.forget()

    async def book(self, ticker: str) -> RestBook:
        path = f"/markets/{quote(ticker, safe='')}/orderbook"
        told = await self._calls.read(path, wire.BookAnswer)
        bids, asks = _translated(translate.book, told, f"GET {path}")
        return RestBook(ticker=ticker, bids=bids, asks=asks)

    async def balance(self) -> ExchangeBalance:
        told = await self._calls.read("/portfolio/balance", wire.Balance)
        return _translated(translate.balance, told, "GET /portfolio/balance")

    async def positions(self) -> list[ExchangePosition]:
        """Every market in which the account holds something."""
        told = await self._calls.pages(
            "/portfolio/positions", wire.PositionsPage, {"count_filter": "position"}, lambda page: page.market_positions
        )
        return [_translated(translate.position, one, "GET /portfolio/positions") for one in told]

    async def orders(
        self, *, ticker: str | None = None, status: OrderStatus | None = None, min_us: int | None = None
    ) -> list[ExchangeOrder]:
        """Orders, newest first; ``min_us`` is a bound on their creation, widened to whole seconds."""
        query = _since(min_us)
        if ticker is not None:
            query["ticker"] = ticker
        if status is not None:
            query["status"] = status.value
        told = await self._calls.pages("/portfolio/orders", wire.OrdersPage, query, lambda page: page.orders)
        return [_translated(translate.order, one, "GET /portfolio/orders") for one in told]

    async def order(self, exchange_order_id: str) -> ExchangeOrder:
        path = f"/portfolio/orders/{quote(exchange_order_id, safe='')}"
        told = await self._calls.read(path, wire.OrderAnswer)
        return _translated(translate.order, told.order, f"GET {path}")

    async def fills(self, *, min_us: int | None = None, exchange_order_id: str | None = None) -> list[ExchangeFill]:
        query = _since(min_us)
        if exchange_order_id is not None:
            query["order_id"] = exchange_order_id
        told = await self._calls.pages("/portfolio/fills", wire.FillsPage, query, lambda page: page.fills)
        fills = [_translated(translate.fill, one, "GET /portfolio/fills") for one in reversed(told)]
        return sorted(fills, key=lambda fill: fill.created_us)

    async def settlements(self, *, min_us: int | None = None) -> list[ExchangeSettlement]:
        told = await self._calls.pages(
            "/portfolio/settlements", wire.SettlementsPage, _since(min_us), lambda page: page.settlements
        )
        settlements = [await self._settlement(one) for one in reversed(told)]
        return sorted(settlements, key=lambda settlement: settlement.settled_us)

    async def cross_market_netting(self) -> bool:
        """True when any subaccount nets across markets; an exchange without the endpoint does not."""
        try:
            told = await self._calls.read("/portfolio/subaccounts/netting", wire.NettingAnswer)
        except NotFound:
            return False
        return any(config.enabled for config in told.netting_configs or ())

    async def account_limits(self) -> wire.AccountLimits:
        """The account's rate limits, in tokens, as the exchange states them."""
        return await self._calls.read("/account/limits", wire.AccountLimits)

    def sign_order(self, request: OrderRequest) -> SignedOrder:
        """Fix body and headers of a create-order request as of now. Raises ``ValueError`` for an impossible order."""
        body = translate.write_order(request)
        now_us = self._clock.now_us()
        headers = {"Content-Type": "application/json", **self._calls.sign("POST", ORDERS)}
        return SignedOrder(request=request, body=body, headers=headers, valid_until_us=now_us + self._signature_life_us)

    async def create_order(self, order: SignedOrder, timeout_s: float) -> CreateAnswer:
        told = await self._calls.write(
            "POST", ORDERS, wire.Created, timeout_s=timeout_s, body=order.body, headers=order.headers
        )
        client_order_id = order.request.client_order_id
        return _translated(lambda one: translate.created(one, client_order_id), told, f"POST {ORDERS}")

    async def cancel_order(self, exchange_order_id: str, ticker: str) -> CancelAnswer:
        """Cancel what is left of an order. ``NotFound`` proves nothing: cancelled, executed, unknown look alike."""
        path = f"{ORDERS}/{quote(exchange_order_id, safe='')}"
        told = await self._calls.write(
            "DELETE", path, wire.Cancelled, timeout_s=CANCEL_TIMEOUT_S, params={"market_ticker": ticker}
        )
        return _translated(translate.cancelled, told, f"DELETE {path}")

    async def cancel_all(self) -> None:
        """Cancel whatever rests. The exchange may also cancel what is placed within the minute after."""
        await self._calls.write_without_answer("DELETE", ORDERS, timeout_s=CANCEL_TIMEOUT_S)

    async def aclose(self) -> None:
        await self._calls.aclose()

    async def _settlement(self, told: wire.Settlement) -> ExchangeSettlement:
        """Read one; a scalar's value is whole cents here, so the market is asked for the exact one."""
        what = "GET /portfolio/settlements"
        exact_cc = None
        if told.market_result not in ("yes", "no"):
            with contextlib.suppress(NotFound):  # moved to the archive: the whole cents are what is left
                exact_cc = (await self.market(told.ticker)).settlement_cc
        return _translated(lambda one: translate.settlement(one, exact_cc), told, what)


def estimate_exchange_us(as_of_us: int, dated: Dated) -> int:
    """Estimate the exchange's clock from the two times that an answer tells.

    ``as_of_us`` (microseconds) may lag behind the clock; ``Date`` is cut to the second. Inside of that second the
    former is the answer, precise to its lag; outside of it the middle of the second is, within half a second. Without
    ``Date`` only the former is left. Half of the round trip is added.
    """
    now_us = as_of_us
    if dated.date_us is not None and not 0 <= as_of_us - dated.date_us < MICROS:
        now_us = dated.date_us + MICROS // 2
    return now_us + dated.round_trip_us // 2


async def _joined(joining: Awaitable[list[MarketFacts]], what: str) -> list[MarketFacts]:
    try:
        return await joining
    except WireFormatError as error:
        raise bad_answer(error, what) from error


def _translated(read: Callable[[Wire], T], told: Wire, what: str) -> T:
    try:
        return read(told)
    except WireFormatError as error:
        raise bad_answer(error, what) from error


def _since(min_us: int | None) -> dict[str, str | int]:
    """The filter 'not before', one second wider than asked: its bound is whole seconds and may exclude itself."""
    return {} if min_us is None else {"min_ts": max(0, times.to_unix_s(min_us) - 1)}
