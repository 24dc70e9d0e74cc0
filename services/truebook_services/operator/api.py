"""The operator's HTTP API: what the system does now, stop it, let it go on.

| request | does |
|---|---|
| ``GET /status`` | the running system's summary |
| ``GET /why?ticker=T`` | the funnel of the last hour, and a market's last decisions with what each gate said |
| ``GET /process`` | its process id: tells a client that it has reached whom it meant |
| ``POST /halt`` ``{"keep_orders": false}`` | places the hold ``operator``, then cancels all orders unless told not to |
| ``POST /resume`` ``{"hold": null}`` | releases both; or the hold that is named, if the ledger placed it itself |

Every request carries ``Authorization: Bearer TOKEN``. Errors are JSON: ``error`` says what, ``what_to_do`` what next.
A halt whose cancellation fails says so (502): the hold stands, the orders may rest.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from truebook.kalshi.port import ExchangeError
from truebook.ledger.port import LedgerError, LedgerStore

HOLD: Final = "operator"
HOLD_KEEPING_ORDERS: Final = "operator_keep_orders"
"""Execution answers every other halt by cancelling what rests."""
OWNER: Final = "operator"
LEDGER: Final = "ledger"
"""Owner of the holds that the ledger places by itself: nothing but a person's judgement ends them."""
MOST_BODY: Final = 4096

Status = Callable[[], Awaitable[dict[str, Any]]]
Why = Callable[[str | None], Awaitable[dict[str, Any]]]
CancelAll = Callable[[], Awaitable[object]]
Wish = TypeVar("Wish", bound=msgspec.Struct)


class HaltRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keep_orders: bool = False


class ResumeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hold: str | None = None


async def release_for_operator(ledger: LedgerStore, name: str | None = None) -> str:
    """Release both of the operator's holds, or the named one if it is the operator's or the ledger's own.

    The answer is the ledger's (of both: the first one's that was there).
    """
    if name is not None:
        owners = {hold.name: hold.owner for hold in (await ledger.view(())).account.holds}
        return await ledger.release(name, LEDGER if owners.get(name) == LEDGER else OWNER)
    results = [await ledger.release(name, OWNER) for name in (HOLD, HOLD_KEEPING_ORDERS)]
    return next((result for result in results if result != "no_hold"), "no_hold")


class OperatorApi:
    """The handlers, with what they act on."""

    def __init__(
        self,
        status: Status,
        ledger: LedgerStore,
        cancel_all: CancelAll,
        *,
        why: Why | None = None,
        cancel_within_s: float = 10.0,
    ) -> None:
        self._status = status
        self._ledger = ledger
        self._cancel_all = cancel_all
        self._why = why
        self._cancel_within_s = cancel_within_s

    async def status(self, _: Request) -> Response:
        return JSONResponse(await self._status())

    async def why(self, request: Request) -> Response:
        if self._why is None:
            return _problem(404, "this process keeps no evidence", "ask the process that trades")
        return JSONResponse(await self._why(request.query_params.get("ticker")))

    async def process(self, _: Request) -> Response:
        return JSONResponse({"pid": os.getpid()})

    async def halt(self, request: Request) -> Response:
        """Hold first: whatever becomes of the cancellation, nothing new is sent from here on."""
        wish = await _read(request, HaltRequest, '{"keep_orders": true or false}')
        result = await self._ledger.hold(HOLD_KEEPING_ORDERS if wish.keep_orders else HOLD, "halted", OWNER)
        if result != "held":
            return _problem(409, f"the hold was not placed: {result}", "see the holds in GET /status", result=result)
        if wish.keep_orders:
            return JSONResponse({"result": result, "orders": "kept"})
        try:
            async with asyncio.timeout(self._cancel_within_s):
                await self._cancel_all()
        except (ExchangeError, TimeoutError) as error:
            told = str(error) or f"no answer within {self._cancel_within_s} s"
            what_to_do = "the hold stands, but orders may still rest: repeat the halt, or cancel at the exchange"
            return _problem(502, f"not all orders are cancelled: {told}", what_to_do, result=result)
        return JSONResponse({"result": result, "orders": "cancelled"})

    async def resume(self, request: Request) -> Response:
        wish = await _read(request, ResumeRequest, '{"hold": a name or null}')
        result = await release_for_operator(self._ledger, wish.hold)
        if result == "not_owner":
            return _problem(
                409, "the hold belongs to someone else", "ask its owner, named in GET /status", result=result
            )
        return JSONResponse({"result": result})


def operator_app(api: OperatorApi, token: str) -> Starlette:
    """The API as an application behind its token."""
    return Starlette(
        routes=[
            Route("/status", api.status, methods=["GET"]),
            Route("/why", api.why, methods=["GET"]),
            Route("/process", api.process, methods=["GET"]),
            Route("/halt", api.halt, methods=["POST"]),
            Route("/resume", api.resume, methods=["POST"]),
        ],
        middleware=[Middleware(_Guard, token=token)],
        exception_handlers={HTTPException: _http_error, LedgerError: _ledger_error},
    )


class _Guard:
    """Lets only requests with the token through; compares in constant time."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        given = Request(scope).headers.get("authorization", "").encode("latin-1")
        if secrets.compare_digest(given, self._expected):
            await self._app(scope, receive, send)
            return
        what_to_do = "send 'Authorization: Bearer TOKEN' with the token of operator.json in the state folder"
        await _problem(401, "the token is missing or wrong", what_to_do)(scope, receive, send)


async def _read(request: Request, wish: type[Wish], form: str) -> Wish:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY:
            raise HTTPException(413, "the body is too large")
    try:
        return msgspec.json.decode(body or b"{}", type=wish)
    except msgspec.DecodeError as error:
        raise HTTPException(400, f"expected {form}: {error}") from error


def _problem(code: int, error: str, what_to_do: str, **more: Any) -> Response:
    return JSONResponse({"error": error, "what_to_do": what_to_do, **more}, status_code=code)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _problem(
        error.status_code, error.detail, "GET /status, GET /why, POST /halt and POST /resume are what there is"
    )


async def _ledger_error(_: Request, error: Exception) -> Response:
    return _problem(503, f"the ledger can't be reached: {error}", "see that Redis runs, then repeat the request")
