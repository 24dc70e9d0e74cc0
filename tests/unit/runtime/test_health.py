from __future__ import annotations

import asyncio

import httpx
import structlog

from truebook.bus.memory.bus import MemoryBus
from truebook.clock import ManualClock
from truebook.messages.envelope import Source
from truebook.runtime.context import Context
from truebook.runtime.frames import Service
from truebook.runtime.health import health_app
from truebook.runtime.metrics import Metrics


class Frame:
    name = "frame"

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason

    def not_ready(self) -> str | None:
        return self.reason

    async def run(self, stop: asyncio.Event) -> None:
        await stop.wait()


def service(name: str, *frames: Frame, metrics: Metrics | None = None) -> Service:
    context = Context(
        service=name, account="sim-main", strategy="main", source=Source.SIMULATED, clock=ManualClock(),
        bus=MemoryBus(), metrics=metrics or Metrics(name), log=structlog.get_logger(),
    )  # fmt: skip
    return Service(context, frames)


async def get(path: str, *services: Service) -> httpx.Response:
    transport = httpx.ASGITransport(health_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://health") as client:
        return await client.get(path)


async def test_livez_responds_while_the_loop_runs() -> None:
    response = await get("/livez", service("ingest", Frame("socket: down")))
    assert (response.status_code, response.json()) == (200, {"alive": True})


async def test_ready_means_that_every_frame_is_ready() -> None:
    response = await get("/readyz", service("ingest", Frame()), service("policy", Frame()))
    assert (response.status_code, response.json()) == (200, {"ready": True, "reasons": {}})


async def test_not_ready_comes_with_every_reason_by_service() -> None:
    response = await get(
        "/readyz", service("ingest", Frame("socket: down"), Frame("no markets")), service("policy", Frame())
    )
    assert response.status_code == 503
    assert response.json() == {"ready": False, "reasons": {"ingest": ["socket: down", "no markets"]}}


async def test_metrics_of_separate_registries_are_one_valid_text() -> None:
    ingest, policy = service("ingest"), service("policy")
    ingest.context.metrics.count("records_consumed", 1, group="g")
    policy.context.metrics.count("records_consumed", 2, group="g")
    for _ in range(2):
        response = await get("/metrics", ingest, policy)
        assert response.text.count("# TYPE truebook_records_consumed_total counter") == 1
        assert 'truebook_records_consumed_total{group="g",service="ingest"} 1.0' in response.text
        assert 'truebook_records_consumed_total{group="g",service="policy"} 2.0' in response.text


async def test_a_shared_registry_is_shown_once() -> None:
    metrics = Metrics("ingest")
    services = [service("ingest", metrics=metrics), service("policy", metrics=metrics.for_service("policy"))]
    metrics.count("records_consumed", 1, group="g")
    response = await get("/metrics", *services)
    assert response.text.count('truebook_records_consumed_total{group="g",service="ingest"} 1.0') == 1
    assert response.headers["content-type"].startswith("text/plain")
