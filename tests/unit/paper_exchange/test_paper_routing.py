"""Which handler serves a path: as Starlette's own router does, on paths that are endpoints or nearly so."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from truebook_services.paper_exchange.rest.routing import RoutedApplication, Serve

ROUTES = (
    ("GET", "/markets"), ("GET", "/markets/trades"), ("GET", "/markets/{ticker}"), ("DELETE", "/orders/batched"),
    ("GET", "/orders/{order_id}"), ("DELETE", "/orders/{order_id}"), ("POST", "/orders/{order_id}/amend"),
    ("GET", "/series/{series}/markets/{ticker}/candles"),
)  # fmt: skip
CALLS = (
    ("GET", "/markets"), ("HEAD", "/markets"), ("GET", "/markets/trades"), ("GET", "/markets/T-1"),
    ("GET", "/markets/"), ("GET", "/markets/T-1/"), ("POST", "/markets"), ("GET", "/orders/batched"),
    ("DELETE", "/orders/batched"), ("DELETE", "/orders/o"), ("GET", "/orders/o/amend"), ("POST", "/orders/o/amend"),
    ("POST", "/orders//amend"), ("GET", "/series/S/markets/T%2FU/candles"), ("GET", "/series/S/markets/T/candles"),
    ("GET", "/markets/{"), ("GET", "/markets/{ticker}"), ("GET", "/"), ("GET", "//markets"), ("GET", "/nothing"),
    ("GET", "/markets/a%20b"), ("DELETE", "/markets/T-1"),
)  # fmt: skip


def serve_of(path: str) -> Serve:
    async def serve(request: Request) -> Response:
        return JSONResponse({"route": path, "values": request.path_params})

    return serve


SERVED = [(Route(path, serve, methods=[method]), serve) for method, path in ROUTES for serve in [serve_of(path)]]
STARLETTE = Starlette(routes=[route for route, _ in SERVED])


async def response_of(app: Any, method: str, path: str) -> tuple[int, str, str | None]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://exchange") as client:
        response = await client.request(method, path)
    return response.status_code, response.text, response.headers.get("location")


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_a_path_reaches_the_handler_that_starlette_finds(method: str, path: str) -> None:
    ours = await response_of(RoutedApplication(SERVED, STARLETTE), method, path)
    assert ours == await response_of(STARLETTE, method, path)


async def test_endpoints_are_served_without_starlettes_router() -> None:
    alone = RoutedApplication(SERVED, Starlette())
    assert (await response_of(alone, "GET", "/markets/T-1"))[:2] == (
        200,
        '{"route":"/markets/{ticker}","values":{"ticker":"T-1"}}',
    )
