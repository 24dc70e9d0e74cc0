from __future__ import annotations

import asyncio
import signal

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from truebook.runtime.health import serve_health
from truebook.runtime.http import PortInUse, serve_http

WITHIN_S = 60.0


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


APP = Starlette(routes=[Route("/", hello)])


async def get(port: int, path: str = "/") -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://127.0.0.1:{port}{path}")


async def test_an_application_is_served_on_any_free_port() -> None:
    async with serve_http(APP) as port:
        assert port > 0
        assert (await get(port)).text == "hello"
    with pytest.raises(httpx.ConnectError):
        await get(port)


async def test_the_port_can_be_taken_again_at_once() -> None:
    async with serve_http(APP) as port:
        await get(port)
    async with serve_http(APP, port) as again:
        assert again == port
        assert (await get(port)).text == "hello"


async def test_a_port_in_use_is_a_plain_error() -> None:
    async with serve_http(APP) as port:
        with pytest.raises(PortInUse, match=f"port {port} on 127.0.0.1 is in use"):
            async with serve_http(APP, port):
                raise AssertionError("two servers on one port")
        assert (await get(port)).text == "hello", "the first one goes on"


async def test_the_processs_own_signal_handlers_are_kept() -> None:
    requested = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, requested.set)
    try:
        async with serve_http(APP) as port:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.wait_for(requested.wait(), WITHIN_S)
            assert (await get(port)).text == "hello"
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def test_a_request_that_never_ends_does_not_delay_the_stop() -> None:
    reached = asyncio.Event()

    async def forever(_: Request) -> Response:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with asyncio.timeout(WITHIN_S):
        async with serve_http(Starlette(routes=[Route("/", forever)])) as port:
            request = asyncio.create_task(get(port))
            await reached.wait()
        with pytest.raises(httpx.HTTPError):
            response = await request
            response.raise_for_status()


async def test_health_is_served_over_a_socket() -> None:
    async with serve_health([]) as port:
        assert (await get(port, "/livez")).json() == {"alive": True}
        assert (await get(port, "/readyz")).json() == {"ready": True, "reasons": {}}
        assert (await get(port, "/metrics")).status_code == 200
