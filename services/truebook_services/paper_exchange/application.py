"""The REST application: the table of endpoints as one Starlette app, with what every request goes through.

signature -> rate limit -> handler -> body. It needs no socket: a transport may call it directly.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from truebook_services.paper_exchange import rest_groups, rest_market, rest_portfolio, rest_write
from truebook_services.paper_exchange.calls import Call, Endpoint, Floor, Reply
from truebook_services.paper_exchange.errors import WireError, not_found
from truebook_services.paper_exchange.fault_board import LostAnswer
from truebook_services.paper_exchange.paging import Query
from truebook_services.paper_exchange.requests_in import invalid

PREFIX: Final = "/trade-api/v2"
ENDPOINTS: Final = (
    *rest_market.ENDPOINTS, *rest_portfolio.ENDPOINTS, *rest_write.ENDPOINTS, *rest_groups.ENDPOINTS,
)  # fmt: skip
Abort = Callable[[tuple[str, int] | None], None]

MOST_SUBACCOUNT: Final = 63


def application(floor: Floor, abort: Abort) -> Starlette:
    """Make the app; ``abort`` breaks the connection of a peer, for answers that are lost on purpose."""
    by_path: dict[str, list[Endpoint]] = {}
    for endpoint in ENDPOINTS:
        by_path.setdefault(endpoint.path, []).append(endpoint)
    routes = [
        Route(PREFIX + path, _serve(floor, endpoints, abort), methods=[endpoint.method for endpoint in endpoints])
        for path, endpoints in by_path.items()
    ]

    async def unknown(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return _write(floor, status, not_found().body)

    return Starlette(routes=routes, exception_handlers={404: unknown, 405: unknown})


def _serve(floor: Floor, endpoints: list[Endpoint], abort: Abort) -> Callable[[Request], Awaitable[Response]]:
    by_method = {endpoint.method: endpoint for endpoint in endpoints}

    async def serve(request: Request) -> Response:
        endpoint = by_method.get(request.method) or endpoints[0]  # HEAD goes where GET does
        try:
            answer = await endpoint.handler(await _call(floor, endpoint, request))
        except WireError as error:
            return _write(floor, error.status, error.body)
        except LostAnswer:
            abort(request.scope.get("client"))
            return Response(status_code=500)
        if isinstance(answer, Reply):
            return _write(floor, answer.status, answer.body)
        return _write(floor, 200, answer)

    return serve


async def _call(floor: Floor, endpoint: Endpoint, request: Request) -> Call:
    account = _account(floor, endpoint, request)
    if account and endpoint.cost:
        _take(floor, endpoint, account)
    query = Query(endpoint.name, request.query_params)
    if endpoint.access != "public" and query.number("subaccount", 0, MOST_SUBACCOUNT, 0):
        raise invalid("only the primary subaccount 0 exists")
    return Call(
        floor=floor,
        account=account,
        path=request.path_params,
        query=query,
        repeated=request.query_params.getlist,
        body=await request.body(),
    )


def _account(floor: Floor, endpoint: Endpoint, request: Request) -> str:
    try:
        return floor.authenticator.account_of(request.headers, request.method, request.url.path, floor.now_us())
    except WireError:
        if endpoint.access == "public":
            return ""
        raise


def _take(floor: Floor, endpoint: Endpoint, account: str) -> None:
    match endpoint.access:
        case "balance":
            floor.limits.balance(account, floor.now_us())
        case "write":
            floor.limits.write(account, floor.now_us(), endpoint.cost)
        case _:
            floor.limits.read(account, floor.now_us(), endpoint.cost)


def _write(floor: Floor, status: int, body: Any) -> Response:
    """Write a JSON answer; ``Date`` is the exchange's own time, which a replayed capture runs through."""
    headers = {"date": formatdate(floor.now_us() // 1_000_000, usegmt=True)}
    if body is None:
        return Response(status_code=status, headers=headers)
    return Response(msgspec.json.encode(body), status_code=status, headers=headers, media_type="application/json")
