"""The operator's HTTP API: the port over HTTP, behind a token.

| request | does |
|---|---|
| ``GET /status`` | reports the running system's status |
| ``GET /why?ticker=T`` | explains the last hour's funnel and, for a ticker, the market's last decisions |
| ``GET /live?since=V`` | reports what changed since a version; ``/live/market?ticker=T``, ``/live/decision?id=ID``, |
| | ``/live/model`` and ``/live/system`` report one subject, or null: see ``live`` |
| ``GET /process`` | returns the process id, by which a client checks that it has reached the intended process |
| ``POST /halt`` ``{"keep_orders": false}`` | places the hold ``operator``, then cancels all orders |
| ``POST /resume`` ``{"hold": null}`` | releases the operator's holds, or the named one if the ledger placed it |
| ``POST /requests/NAME`` | handles a request of ``requests``: the body has its arguments |

Every request carries ``Authorization: Bearer TOKEN``. Errors are JSON: ``error`` states what happened, ``hint`` what to
do. A halt whose cancellation fails is a 502: the hold is placed, but orders may still rest.
"""

from __future__ import annotations

import os
import secrets
from typing import Final, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from truebook.decoding import UNREADABLE
from truebook.ledger.port import LedgerError
from truebook_services.operator.live import LiveSource
from truebook_services.operator.port import STATUS_CODES, Operator, OperatorError
from truebook_services.operator.requests import REQUESTS

MAX_BODY_BYTES: Final = 4096
HINT: Final = "use GET /status, GET /why, POST /halt, POST /resume or POST /requests/NAME"

Body = TypeVar("Body", bound=msgspec.Struct)


class HaltRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keep_orders: bool = False


class ResumeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hold: str | None = None


def operator_app(operator: Operator, token: str, live: LiveSource | None = None) -> Starlette:
    """Build the ASGI application of the API; without ``live`` it has no live views."""

    async def status(_: Request) -> Response:
        return _json(await operator.status())

    async def why(request: Request) -> Response:
        return _json(await operator.why(request.query_params.get("ticker")))

    async def process(_: Request) -> Response:
        return JSONResponse({"pid": os.getpid()})

    async def halt(request: Request) -> Response:
        body = await _read(request, HaltRequest, '{"keep_orders": true or false}')
        return _json(await operator.halt(keep_orders=body.keep_orders))

    async def resume(request: Request) -> Response:
        body = await _read(request, ResumeRequest, '{"hold": a name or null}')
        return _json(await operator.resume(body.hold))

    async def perform(request: Request) -> Response:
        kind = REQUESTS.get(request.path_params["name"])
        if kind is None:
            raise HTTPException(404, f"no such request; known: {', '.join(REQUESTS)}")
        form = f"an object with {', '.join(kind.__struct_fields__) or 'no fields'}"
        return _json(await operator.perform(await _read(request, kind, form)))

    return Starlette(
        routes=[
            Route("/status", status, methods=["GET"]),
            Route("/why", why, methods=["GET"]),
            Route("/process", process, methods=["GET"]),
            Route("/halt", halt, methods=["POST"]),
            Route("/resume", resume, methods=["POST"]),
            Route("/requests/{name}", perform, methods=["POST"]),
            *(() if live is None else live_routes(live)),
        ],
        middleware=[Middleware(_TokenCheck, token=token)],
        exception_handlers={
            HTTPException: _http_error, OperatorError: _operator_error, LedgerError: _ledger_error,
        },
    )  # fmt: skip


def live_routes(live: LiveSource) -> list[Route]:
    """Return the routes of the live views."""

    async def changes(request: Request) -> Response:
        return _json(await live.changes(request.query_params.get("since")))

    async def market(request: Request) -> Response:
        return _json(await live.market(request.query_params.get("ticker", "")))

    async def decision(request: Request) -> Response:
        return _json(await live.lifecycle(request.query_params.get("id", "")))

    async def model(_: Request) -> Response:
        return _json(await live.model())

    async def system(_: Request) -> Response:
        return _json(await live.system())

    paths = {"": changes, "/market": market, "/decision": decision, "/model": model, "/system": system}
    return [Route(f"/live{path}", endpoint, methods=["GET"]) for path, endpoint in paths.items()]


class _TokenCheck:
    """Refuse requests without the token; compares in constant time."""

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
        hint = "send 'Authorization: Bearer TOKEN' with the token of operator.json in the state folder"
        await _error(401, "the token is missing or wrong", hint)(scope, receive, send)


async def _read(request: Request, kind: type[Body], form: str) -> Body:
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY_BYTES:
                raise HTTPException(413, "the body is too large")
        return msgspec.json.decode(body or b"{}", type=kind)
    except ClientDisconnect as error:  # nothing is done by half a request, and the response is not read
        raise HTTPException(400, "the body is incomplete") from error
    except UNREADABLE as error:
        raise HTTPException(400, f"expected {form}: {error}") from error


def _json(result: msgspec.Struct | None) -> Response:
    return Response(msgspec.json.encode(result), media_type="application/json")


def _error(code: int, error: str, hint: str) -> Response:
    return JSONResponse({"error": error, "hint": hint}, status_code=code)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail, HINT)


async def _operator_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, OperatorError)
    return _error(STATUS_CODES.get(type(error), 500), error.problem, error.hint)


async def _ledger_error(_: Request, error: Exception) -> Response:
    return _error(503, f"the ledger can't be reached: {error}", "check that Redis runs, then repeat the request")
