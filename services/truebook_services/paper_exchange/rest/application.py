"""The REST application: the table of endpoints as one Starlette app.

Every request passes: signature -> rate limit -> handler -> body. The app needs no socket: a transport may call it.
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

from truebook.venue.shards import DEFAULT_SHARD
from truebook_services.paper_exchange.errors import WireError, nested
from truebook_services.paper_exchange.faults import ResponseLost
from truebook_services.paper_exchange.rest import (
    absent,
    api_keys,
    candlesticks,
    events,
    historical,
    markets,
    order_groups,
    orders,
    portfolio,
    reference_data,
    shards,
)
from truebook_services.paper_exchange.rest.paging import Query
from truebook_services.paper_exchange.rest.rate_limits import charged_shard
from truebook_services.paper_exchange.rest.request_bodies import invalid
from truebook_services.paper_exchange.rest.requests import Endpoint, ExchangeState, Reply, RequestContext

PREFIX: Final = "/trade-api/v2"
ENDPOINTS: Final = (
    *candlesticks.ENDPOINTS, *markets.ENDPOINTS, *events.ENDPOINTS, *historical.ENDPOINTS,
    *reference_data.ENDPOINTS, *portfolio.ENDPOINTS, *orders.ENDPOINTS, *order_groups.ENDPOINTS, *shards.ENDPOINTS,
    *api_keys.ENDPOINTS, *absent.ENDPOINTS,
)  # fmt: skip
Abort = Callable[[tuple[str, int] | None], None]

MAX_SUBACCOUNT: Final = 63


def application(state: ExchangeState, abort: Abort) -> Starlette:
    """Build the app; ``abort`` resets the connection of a peer whose response is lost by a fault."""
    by_path: dict[str, list[Endpoint]] = {}
    for endpoint in ENDPOINTS:
        by_path.setdefault(endpoint.path, []).append(endpoint)
    routes = [
        Route(PREFIX + path, _serve(state, endpoints, abort), methods=[endpoint.method for endpoint in endpoints])
        for path, endpoints in by_path.items()
    ]

    async def unknown(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == 405:
            return _write(state, 405, nested(405, "method_not_allowed").body)
        return _write(state, 501, absent.unknown_endpoint(request.method, request.url.path).body)

    return Starlette(routes=routes, exception_handlers={404: unknown, 405: unknown})


def _serve(state: ExchangeState, endpoints: list[Endpoint], abort: Abort) -> Callable[[Request], Awaitable[Response]]:
    by_method = {endpoint.method: endpoint for endpoint in endpoints}

    async def serve(request: Request) -> Response:
        endpoint = by_method.get(request.method) or endpoints[0]  # HEAD is served like GET
        context: RequestContext | None = None
        try:
            context = await _request_context(state, endpoint, request)
            result = await endpoint.handler(context)
        except WireError as error:
            return _write(state, error.status, error.body, _ignored(context, failed=True))
        except ResponseLost:
            abort(request.scope.get("client"))
            return Response(status_code=500)
        if isinstance(result, Reply):
            return _write(state, result.status, result.body, _ignored(context))
        return _write(state, 200, result, _ignored(context))

    return serve


def _ignored(context: RequestContext | None, *, failed: bool = False) -> dict[str, str]:
    """Return the header that lists what the request named and nothing read; a failed one did not read all."""
    if context is None:
        return {}
    names = [*context.ignored, *(f"?{name}" for name in context.query.unread() if not failed)]
    return context.state.ignored.header(context.account, context.query.operation, names) if names else {}


async def _request_context(state: ExchangeState, endpoint: Endpoint, request: Request) -> RequestContext:
    account = _account(state, endpoint, request)
    query = Query(endpoint.name, request.query_params, request.query_params.getlist)
    body = await request.body()
    if account and endpoint.cost:
        access = "read" if endpoint.access == "public" else endpoint.access
        shard = charged_shard(endpoint.routing, query, body) if len(state.limits.shards) > 1 else DEFAULT_SHARD
        state.limits.take(account, access, endpoint.cost, state.now_us(), shard)
    if endpoint.access != "public" and query.number("subaccount", 0, MAX_SUBACCOUNT, 0):
        raise invalid("only the primary subaccount 0 exists")
    return RequestContext(
        state=state,
        account=account,
        path=request.path_params,
        query=query,
        body=body,
    )


def _account(state: ExchangeState, endpoint: Endpoint, request: Request) -> str:
    try:
        account = state.authenticator.account_of(request.headers, request.method, request.url.path, state.now_us())
    except WireError:
        if endpoint.access == "public":
            return ""
        raise
    if endpoint.access != "public":
        state.authenticator.check_scope(request.headers, endpoint.name, endpoint.scopes)
    return account


def _write(state: ExchangeState, status: int, body: Any, more: dict[str, str] | None = None) -> Response:
    """Write a JSON response; ``Date`` is exchange time, which a replayed capture runs through."""
    headers = {"date": formatdate(state.now_us() // 1_000_000, usegmt=True)} | (more or {})
    if body is None:
        return Response(status_code=status, headers=headers)
    return Response(msgspec.json.encode(body), status_code=status, headers=headers, media_type="application/json")
