"""The HTTP endpoints for supervisors: liveness, readiness and metrics.

``GET /livez``    200 while the event loop runs
``GET /readyz``   200, or 503 with every reason why a service can't work now
``GET /metrics``  Prometheus's text format
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from truebook.runtime.frames import Service
from truebook.runtime.http import serve_http


class _MergedRegistries(Collector):
    """Several registries as one: the same metric of two services must be one family in the text format."""

    def __init__(self, registries: Sequence[CollectorRegistry]) -> None:
        self._registries = registries

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for registry in self._registries:
            for family in registry.collect():
                if family.name in families:
                    families[family.name].samples.extend(family.samples)
                else:
                    families[family.name] = family
        yield from families.values()


def health_app(services: Sequence[Service]) -> Starlette:
    """Return the application with the three endpoints for these services."""
    registries = list({id(registry): registry for s in services if (registry := s.context.metrics.registry)}.values())
    merged = CollectorRegistry(auto_describe=False)
    merged.register(_MergedRegistries(registries))

    async def livez(_: Request) -> Response:
        return JSONResponse({"alive": True})

    async def readyz(_: Request) -> Response:
        reasons = {service.name: found for service in services if (found := service.not_ready())}
        return JSONResponse({"ready": not reasons, "reasons": reasons}, status_code=503 if reasons else 200)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(merged), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)])


def serve_health(
    services: Sequence[Service], port: int = 0, *, host: str = "127.0.0.1"
) -> AbstractAsyncContextManager[int]:
    """Serve the endpoints while entered; yields the port. Raises ``PortInUse``."""
    return serve_http(health_app(services), port, host=host)
