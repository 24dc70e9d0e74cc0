"""The REST application: the table of endpoints as one Starlette app.

Every request passes: faults -> signature -> rate limit -> way out -> handler -> way back -> body. The app
needs no socket: a transport may call it.
"""

from __future__ import annotations

from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from truebook.venue.shards import DEFAULT_SHARD
from truebook_services.paper_exchange.errors import WireError, nested
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
    subaccounts,
)
from truebook_services.paper_exchange.rest.delivery import Delivery, write
from truebook_services.paper_exchange.rest.fault_control import fault_routes
from truebook_services.paper_exchange.rest.openapi.served import document_routes
from truebook_services.paper_exchange.rest.overview import overview_routes
from truebook_services.paper_exchange.rest.paging import Query
from truebook_services.paper_exchange.rest.rate_limits import charged_shard
from truebook_services.paper_exchange.rest.requests import Endpoint, ExchangeState, Reply, RequestContext
from truebook_services.paper_exchange.rest.routing import RoutedApplication, Serve
from truebook_services.paper_exchange.rest.shard_control import shard_routes
from truebook_services.paper_exchange.rest.spec_versions import lacking_parameters
from truebook_services.paper_exchange.sockets import Connections

PREFIX: Final = "/trade-api/v2"
ENDPOINTS: Final = (
    *candlesticks.ENDPOINTS, *markets.ENDPOINTS, *events.ENDPOINTS, *historical.ENDPOINTS,
    *reference_data.ENDPOINTS, *portfolio.ENDPOINTS, *orders.ENDPOINTS, *order_groups.ENDPOINTS, *shards.ENDPOINTS,
    *api_keys.ENDPOINTS, *subaccounts.ENDPOINTS, *absent.ENDPOINTS,
)  # fmt: skip


def application(state: ExchangeState, connections: Connections) -> RoutedApplication:
    """Build the app; faults act on ``connections``."""
    by_path: dict[str, list[Endpoint]] = {}
    for endpoint in ENDPOINTS:
        by_path.setdefault(endpoint.path, []).append(endpoint)
    served: list[tuple[Route, Serve]] = []
    for path, endpoints in by_path.items():
        serve = _serve(state, endpoints, connections)
        served.append((Route(PREFIX + path, serve, methods=[endpoint.method for endpoint in endpoints]), serve))
    routes = [route for route, _ in served]
    routes += overview_routes(state, connections, state.operator_token)
    routes += fault_routes(
        state.faults.schedule, state.now_us, state.operator_token,
        lambda ticker: state.engine.queries.market(ticker) is not None,
    )  # fmt: skip
    routes += shard_routes(state.core, state.operator_token)
    routes += document_routes(ENDPOINTS, PREFIX)

    async def unknown(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == 405:
            return write(state, 405, nested(405, "method_not_allowed").body)
        return write(state, 501, absent.unknown_endpoint(request.method, request.url.path).body)

    return RoutedApplication(served, Starlette(routes=routes, exception_handlers={404: unknown, 405: unknown}))


def _serve(state: ExchangeState, endpoints: list[Endpoint], connections: Connections) -> Serve:
    by_method = {endpoint.method: endpoint for endpoint in endpoints}

    async def serve(request: Request) -> Response:
        endpoint = by_method.get(request.method) or endpoints[0]  # HEAD is served like GET
        delivery = Delivery(state, endpoint, request, connections)
        context: RequestContext | None = None
        try:
            context = await _request_context(state, endpoint, delivery)
            result = await endpoint.handler(context)
            if delivery.duplicates(result):
                result = await endpoint.handler(context)
        except WireError as error:
            delivery.failed(error.status, error.body)
            return await delivery.send(_ignored(context, failed=True))
        if isinstance(result, Reply):
            delivery.succeeded(result.status, result.body)
        else:
            delivery.succeeded(200, result)
        if delivery.is_lost():
            return delivery.lost()
        return await delivery.send(_ignored(context))

    return serve


def _ignored(context: RequestContext | None, *, failed: bool = False) -> dict[str, str]:
    """Return the header that lists what the request named and nothing read; a failed one did not read all."""
    if context is None:
        return {}
    names = [*context.ignored, *(f"?{name}" for name in context.query.unread() if not failed)]
    return context.state.ignored.header(context.account, context.query.operation, names) if names else {}


async def _request_context(state: ExchangeState, endpoint: Endpoint, delivery: Delivery) -> RequestContext:
    request = delivery.request
    delivery.account = account = _account(state, endpoint, request)
    delivery.body = await request.body()
    delivery.refuse()
    lacking = lacking_parameters(state.spec, endpoint.name)
    query = Query(endpoint.name, request.query_params, request.query_params.getlist, lacking=lacking)
    body = delivery.body
    if account and endpoint.cost:
        access = "read" if endpoint.access == "public" else endpoint.access
        shard = charged_shard(endpoint.routing, query, body) if len(state.limits.shards) > 1 else DEFAULT_SHARD
        state.limits.take(account, access, endpoint.cost, state.now_us(), shard)
    await delivery.travel()
    return RequestContext(
        state=state,
        account=account,
        path=request.path_params,
        query=query,
        body=delivery.body,
        locked=state.authenticator.locked_of(request.headers) if account else None,
        delay=delivery.delay,
    )


def _signed_path(request: Request) -> str:
    """Return the path as it was sent: clients sign it with its percent signs."""
    sent: bytes = request.scope.get("raw_path") or b""
    return sent.partition(b"?")[0].decode("latin-1") or request.url.path


def _account(state: ExchangeState, endpoint: Endpoint, request: Request) -> str:
    try:
        signed_us = state.now_us() + state.faults.skew_us()
        account = state.authenticator.account_of(request.headers, request.method, _signed_path(request), signed_us)
    except WireError:
        if endpoint.access == "public":
            return ""
        raise
    if endpoint.access != "public":
        state.authenticator.check_scope(request.headers, endpoint.name, endpoint.scopes)
    return account
