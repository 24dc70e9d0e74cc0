"""REST below httpx: the client's port straight onto the exchange's core, over a line that has its fates.

What a request does at the exchange is a task of the exchange: it goes on when the client has given up, or is dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from chaos.exchange import ACCOUNT, Exchange
from chaos.faults import Kind
from chaos.processes import Process, never, spawn_outside
from chaos.weather import End, Fate
from truebook.clock import Clock
from truebook.kalshi.port import (
    AlreadyExists,
    ExchangeError,
    ExchangeStatus,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RestBook,
    RestClient,
    SignedOrder,
    Unreachable,
)
from truebook.messages.envelope import BookSide
from truebook.messages.facts import MarketFacts, MarketStatus
from truebook.simulation.orders import Rejected
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
from truebook_services.paper_exchange.commands import Cancel, CancelAll, Command, Place
from truebook_services.paper_exchange.errors import WireError
from truebook_services.paper_exchange.rate_limits import CANCEL_COST, DEFAULT_COST

READ_TIMEOUT_S = 5.0
CANCEL_TIMEOUT_S = 5.0
SIGNATURE_LIFE_US = 15_000_000
T = TypeVar("T")


class TwinRest(RestClient):
    """One process's client."""

    def __init__(self, exchange: Exchange, clock: Clock, process: Process | None) -> None:
        self._exchange = exchange
        self._clock = clock
        self._process = process

    # Writes

    def sign_order(self, request: OrderRequest) -> SignedOrder:
        until_us = self._clock.now_us() + SIGNATURE_LIFE_US
        return SignedOrder(request=request, body=b"", headers={}, valid_until_us=until_us)

    async def create_order(self, order: SignedOrder, timeout_s: float) -> CreateAnswer:
        request = order.request

        async def arrive() -> CreateAnswer:
            if self._exchange.now_us() > order.valid_until_us:
                raise Refused(401, "header_timestamp_expired")
            answer = await self._command(Place(ACCOUNT, request), DEFAULT_COST)
            assert isinstance(answer, CreateAnswer), answer
            return answer

        await self._fence()
        self._exchange.sent[request.client_order_id] += 1
        return await self._write("create_order", arrive, timeout_s)

    async def cancel_order(self, exchange_order_id: str, ticker: str) -> CancelAnswer:
        async def arrive() -> CancelAnswer:
            answer = await self._command(Cancel(ACCOUNT, exchange_order_id), CANCEL_COST)
            assert isinstance(answer, CancelAnswer), answer
            return answer

        return await self._write("cancel_order", arrive, CANCEL_TIMEOUT_S)

    async def cancel_all(self) -> None:
        async def arrive() -> None:
            await self._command(CancelAll(ACCOUNT), DEFAULT_COST)

        await self._write("cancel_all", arrive, CANCEL_TIMEOUT_S)

    async def _command(self, command: Command, cost: int) -> Any:
        floor = self._exchange.floor
        if self._exchange.weather.rages(Kind.PAUSED) and not isinstance(command, CancelAll):
            raise Refused(409, "exchange_is_paused", "the exchange is paused")
        _take(lambda: floor.limits.write(ACCOUNT, floor.now_us(), cost))
        [answer] = await floor.core.carry_out([command])
        if isinstance(answer, Rejected):
            raise _refusal(answer)
        return answer

    async def _write(self, call: str, arrive: Callable[[], Awaitable[T]], timeout_s: float) -> T:
        await self._fence()
        fate = self._exchange.weather.fate(call)
        if fate.end is End.UNREACHABLE:
            await asyncio.sleep(fate.there_s)
            raise Unreachable(f"{call}: connection refused")
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        spawn_outside(_travel(fate, arrive, answer))
        done, _ = await asyncio.wait((answer,), timeout=timeout_s)
        if not done:
            raise OutcomeUnknown(f"{call}: no answer within {timeout_s} s")
        return answer.result()

    # Reads

    async def status(self) -> ExchangeStatus:
        trades = not self._exchange.weather.rages(Kind.PAUSED)
        return await self._read("status", lambda: ExchangeStatus(exchange_active=True, trading_active=trades))

    async def data_time_us(self) -> int:
        return await self._read("data_time_us", lambda: self._exchange.shown("at_us"))

    async def exchange_time_us(self) -> int:
        return await self._read("exchange_time_us", self._exchange.now_us)

    async def markets(
        self,
        *,
        status: str | None = None,
        tickers: Sequence[str] = (),
        series: str | None = None,
        multivariate: bool = False,
    ) -> list[MarketFacts]:
        return await self._read("markets", lambda: [
            facts for facts in self._exchange.engine.markets()
            if (not tickers or facts.ticker in tickers)
            and (series is None or facts.series == series)
            and (status != "open" or facts.status is MarketStatus.ACTIVE)
        ])  # fmt: skip

    def forget_facts(self) -> None:
        """Nothing is kept here."""

    async def market(self, ticker: str) -> MarketFacts:
        return await self._read("market", lambda: _found(self._exchange.engine.market(ticker)))

    async def book(self, ticker: str) -> RestBook:
        def read() -> RestBook:
            _found(self._exchange.engine.market(ticker))
            book = self._exchange.engine.book(ticker)
            bids, asks = tuple(book.levels(BookSide.BID)), tuple(book.levels(BookSide.ASK))
            return RestBook(ticker=ticker, bids=bids, asks=asks)

        return await self._read("book", read)

    async def balance(self) -> ExchangeBalance:
        def read() -> ExchangeBalance:
            held: ExchangeBalance = self._exchange.shown("balance")
            return msgspec.structs.replace(held, balance_micros=held.balance_micros // 100 * 100)

        return await self._read("balance", read)

    async def positions(self) -> list[ExchangePosition]:
        return await self._read("positions", lambda: [
            one for one in self._exchange.shown("positions") if one.position_centi
        ])  # fmt: skip

    async def orders(
        self, *, ticker: str | None = None, status: OrderStatus | None = None, min_us: int | None = None
    ) -> list[ExchangeOrder]:
        return await self._read("orders", lambda: [
            one for one in self._exchange.shown("orders")
            if ticker in (None, one.ticker) and status in (None, one.status) and _since(one.created_us or 0, min_us)
        ])  # fmt: skip

    async def order(self, exchange_order_id: str) -> ExchangeOrder:
        return await self._read("order", lambda: _found(next(
            (one for one in self._exchange.shown("orders") if one.exchange_order_id == exchange_order_id), None
        )))  # fmt: skip

    async def fills(self, *, min_us: int | None = None, exchange_order_id: str | None = None) -> list[ExchangeFill]:
        return await self._read("fills", lambda: [
            msgspec.structs.replace(one, client_order_id=None) for one in reversed(self._exchange.shown("fills"))
            if exchange_order_id in (None, one.exchange_order_id) and _since(one.created_us, min_us)
        ])  # fmt: skip

    async def settlements(self, *, min_us: int | None = None) -> list[ExchangeSettlement]:
        return await self._read("settlements", lambda: [
            # The list tells whole cents, as the exchange's does.
            msgspec.structs.replace(one, settlement_cc=one.settlement_cc // 100 * 100)
            for one in reversed(self._exchange.shown("settlements")) if _since(one.settled_us, min_us)
        ])  # fmt: skip

    async def cross_market_netting(self) -> bool:
        return await self._read("cross_market_netting", lambda: False)

    async def aclose(self) -> None:
        """Nothing to close."""

    async def _read(self, call: str, read: Callable[[], T]) -> T:
        await self._fence()
        fate, floor = self._exchange.weather.fate(call), self._exchange.floor
        if fate.end is End.UNREACHABLE:
            await asyncio.sleep(fate.there_s)
            raise Unreachable(f"{call}: connection refused")
        if fate.there_s + fate.back_s >= READ_TIMEOUT_S:
            await asyncio.sleep(READ_TIMEOUT_S)
            raise OutcomeUnknown(f"{call}: no answer within {READ_TIMEOUT_S} s")
        # One wait for both ways: what is shown is as of a moment between them either way.
        is_late = fate.there_s > fate.back_s
        if is_late:
            await asyncio.sleep(fate.there_s + fate.back_s)
        if fate.end is not End.ANSWERED:
            raise _http(fate.status, call)
        limits, now_us = floor.limits, floor.now_us()
        cost = CANCEL_COST if call == "order" else DEFAULT_COST
        _take(lambda: limits.balance(ACCOUNT, now_us) if call == "balance" else limits.read(ACCOUNT, now_us, cost))
        shown = read()
        if not is_late:
            await asyncio.sleep(fate.there_s + fate.back_s)
        return shown

    async def _fence(self) -> None:
        if self._process is not None and self._process.at_port():
            await never()


async def _travel(fate: Fate, arrive: Callable[[], Awaitable[T]], answer: asyncio.Future[T]) -> None:
    """One write on its way: there, what it does, and back."""
    await asyncio.sleep(fate.there_s)
    if fate.end is End.REQUEST_LOST:
        return
    if fate.end is End.ERROR_BEFORE:
        _put(answer, _http(fate.status, "write"))
        return
    for _ in range(2 if fate.end is End.DOUBLED else 1):
        try:
            result: T | ExchangeError = await arrive()
        except ExchangeError as error:
            result = error
    await asyncio.sleep(fate.back_s)
    match fate.end:
        case End.ANSWER_LOST:
            return
        case End.ANSWER_RESET:
            result = OutcomeUnknown("connection reset")
        case End.ERROR_AFTER:
            result = _http(fate.status, "write")
        case _:
            pass
    _put(answer, result)


def _put(answer: asyncio.Future[T], result: T | ExchangeError) -> None:
    if answer.done():
        return
    if isinstance(result, ExchangeError):
        answer.set_exception(result)
        answer.exception()  # a client that has given up or died does not look: that is no error of the harness
    else:
        answer.set_result(result)


def _http(status: int, call: str) -> ExchangeError:
    if status == 429:
        return RateLimited(429, "too_many_requests")
    return OutcomeUnknown(f"{call}: HTTP {status}")


def _refusal(rejected: Rejected) -> Refused:
    kind: type[Refused] = {429: RateLimited, 404: NotFound}.get(rejected.status, Refused)
    if rejected.code == "order_already_exists":
        kind = AlreadyExists
    return kind(rejected.status, rejected.code, rejected.detail)


def _take(tokens: Callable[[], None]) -> None:
    try:
        tokens()
    except WireError as error:
        raise RateLimited(error.status, "too_many_requests") from error


def _found(shown: T | None) -> T:
    if shown is None:
        raise NotFound(404, "not_found")
    return shown


def _since(at_us: int, min_us: int | None) -> bool:
    """The filter's bound is whole seconds, and one wider than asked."""
    return min_us is None or at_us >= (min_us // 1_000_000 - 1) * 1_000_000
