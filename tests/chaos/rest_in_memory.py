"""A process's REST client without HTTP: the in-memory client of the tests on the exchange's core, with network faults.

A request runs as a task of the exchange: it continues when the client has timed out or is dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from chaos.conditions import CallPlan, End
from chaos.exchange import ACCOUNT, Exchange
from chaos.faults import Kind
from chaos.odd_items import LISTS, WRONG_MICROS, odd_item
from chaos.processes import Process, never, spawn_outside
from support.in_memory_rest import InMemoryRest, Shown
from truebook.clock import Clock
from truebook.kalshi.port import (
    CreateResponse,
    ExchangeError,
    ExchangeStatus,
    OutcomeUnknown,
    RateLimited,
    Refused,
    SignedOrder,
    Unreachable,
)
from truebook.venue.account import UnreadableItem
from truebook.venue.rate_tiers import CANCEL_COST, DEFAULT_COST
from truebook_services.paper_exchange.engine.commands import CancelAllOrders, Command
from truebook_services.paper_exchange.errors import WireError

READ_TIMEOUT_S = 5.0
T = TypeVar("T")


class ProcessRest(InMemoryRest):
    """One process's client (None: the harness's)."""

    def __init__(self, exchange: Exchange, clock: Clock, process: Process | None) -> None:
        super().__init__(exchange.engine, ACCOUNT, clock, exchange.now_us)
        self._exchange = exchange
        self._process = process

    async def create_order(self, order: SignedOrder, timeout_s: float) -> CreateResponse:
        await self._use_port()
        self._exchange.sent[order.request.client_order_id] += 1
        return await super().create_order(order, timeout_s)

    async def _submit(self, command: Command, cost: int) -> Any:
        state = self._exchange.state
        if self._exchange.conditions.active(Kind.PAUSED) and not isinstance(command, CancelAllOrders):
            raise Refused(409, "exchange_is_paused", "the exchange is paused")
        self._take_tokens("write", cost)
        [result] = await state.core.execute([command])
        return result

    async def _write(self, call: str, subject: Any, execute: Callable[[], Awaitable[T]], timeout_s: float) -> T:
        await self._use_port()
        call_plan = self._exchange.conditions.call_plan(call)
        if call_plan.end is End.UNREACHABLE:
            await asyncio.sleep(call_plan.request_s)
            raise Unreachable(f"{call}: connection refused")
        response: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        spawn_outside(_travel(call_plan, execute, response))
        done, _ = await asyncio.wait((response,), timeout=timeout_s)
        if not done:
            raise OutcomeUnknown(f"{call}: no response within {timeout_s} s")
        return response.result()

    async def _read(self, call: str, subject: Any, read: Callable[[], T]) -> T:
        await self._use_port()
        call_plan = self._exchange.conditions.call_plan(call)
        if call_plan.end is End.UNREACHABLE:
            await asyncio.sleep(call_plan.request_s)
            raise Unreachable(f"{call}: connection refused")
        if call_plan.request_s + call_plan.response_s >= READ_TIMEOUT_S:
            await asyncio.sleep(READ_TIMEOUT_S)
            raise OutcomeUnknown(f"{call}: no response within {READ_TIMEOUT_S} s")
        # One delay for both ways: the data is as of a moment between them in either case.
        is_late = call_plan.request_s > call_plan.response_s
        if is_late:
            await asyncio.sleep(call_plan.request_s + call_plan.response_s)
        if call_plan.end is not End.COMPLETED:
            raise _http(call_plan.status, call)
        cost = {"order": CANCEL_COST, "balance": 1}.get(call, DEFAULT_COST)
        self._take_tokens("balance" if call == "balance" else "read", cost)
        result = read()
        if not is_late:
            await asyncio.sleep(call_plan.request_s + call_plan.response_s)
        return result

    def _shown(self, what: Shown) -> Any:
        match what:
            case Shown.STATUS:
                if self._exchange.conditions.active(Kind.PAUSED):
                    return ExchangeStatus(exchange_active=True, trading_active=False)
                return super()._shown(what)
            case Shown.EXCHANGE_TIME_US | Shown.MARKETS | Shown.NETTING | Shown.ORDER_GROUPS:
                return super()._shown(what)
            case _:
                return self._odd(what, self._exchange.shown(what))

    def _odd(self, what: Shown, shown: Any) -> Any:
        conditions = self._exchange.conditions
        if what is Shown.BALANCE and conditions.active(Kind.WRONG_BALANCE):
            return msgspec.structs.replace(shown, balance_micros=shown.balance_micros - WRONG_MICROS)
        if what in LISTS and conditions.active(Kind.ODD_ITEMS):
            return [one for one in shown if odd_item(what, one) is None]
        return shown

    def _unreadable(self, what: Shown) -> Sequence[UnreadableItem]:
        if not self._exchange.conditions.active(Kind.ODD_ITEMS):
            return ()
        return tuple([odd for one in self._exchange.shown(what) if (odd := odd_item(what, one)) is not None])

    def _take_tokens(self, access: str, cost: int) -> None:
        state = self._exchange.state
        try:
            state.limits.take(ACCOUNT, access, cost, state.now_us())
        except WireError as error:
            raise RateLimited(error.status, "too_many_requests") from error

    async def _use_port(self) -> None:
        if self._process is not None and self._process.at_port():
            await never()


async def _travel(call_plan: CallPlan, execute: Callable[[], Awaitable[T]], response: asyncio.Future[T]) -> None:
    """Carry one write: delay the request, execute it, delay the response."""
    await asyncio.sleep(call_plan.request_s)
    if call_plan.end is End.REQUEST_LOST:
        return
    if call_plan.end is End.ERROR_BEFORE:
        _put(response, _http(call_plan.status, "write"))
        return
    for _ in range(2 if call_plan.end is End.DUPLICATED else 1):
        try:
            result: T | ExchangeError = await execute()
        except ExchangeError as error:
            result = error
    await asyncio.sleep(call_plan.response_s)
    match call_plan.end:
        case End.RESPONSE_LOST:
            return
        case End.CONNECTION_RESET:
            result = OutcomeUnknown("connection reset")
        case End.ERROR_AFTER:
            result = _http(call_plan.status, "write")
        case _:
            pass
    _put(response, result)


def _put(response: asyncio.Future[T], result: T | ExchangeError) -> None:
    if response.done():
        return
    if isinstance(result, ExchangeError):
        response.set_exception(result)
        response.exception()  # mark as retrieved: a client that timed out or died does not look
    else:
        response.set_result(result)


def _http(status: int, call: str) -> ExchangeError:
    if status == 429:
        return RateLimited(429, "too_many_requests")
    return OutcomeUnknown(f"{call}: HTTP {status}")
