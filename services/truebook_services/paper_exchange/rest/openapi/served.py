"""The OpenAPI document as the exchange serves it: ``GET /simulated/openapi.json``, without a signature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from truebook_services.paper_exchange.rest.openapi.document import document
from truebook_services.paper_exchange.rest.requests import Endpoint

PATH: Final = "/simulated/openapi.json"
VERSION: Final = "3.34.0"
"""That of the API which is simulated."""


def document_routes(endpoints: Sequence[Endpoint], prefix: str) -> list[Route]:
    """Return the route of the document, which is made at the first request."""
    made: list[dict[str, Any]] = []

    async def serve(_: Request) -> Response:
        if not made:
            made.append(document(endpoints, prefix, VERSION))
        return JSONResponse(made[0])

    return [Route(PATH, serve, methods=["GET"])]
