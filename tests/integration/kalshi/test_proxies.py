"""REST and WebSocket use one proxy: that of ``HTTPS_PROXY``, unless the address is local or in ``NO_PROXY``."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve

from support.certificates import Certificates, make_certificates
from support.connect_proxy import proxy_to
from truebook.clock import SystemClock
from truebook.kalshi.hosts import HostRefused
from truebook.kalshi.port import ExchangeStatus, StreamClosed, Unreachable
from truebook.kalshi.proxy import find_proxy
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import StubSigner
from truebook.kalshi.stream.connection import WebsocketConnector

HOST = "demo-api.kalshi.co"
REST_URL = f"https://{HOST}/trade-api/v2"
WS_URL = f"wss://{HOST}/trade-api/ws/v2"
STATUS = ExchangeStatus(exchange_active=True, trading_active=True)


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return make_certificates(HOST)


@pytest.fixture(autouse=True)
def trusted(tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    (tmp_path / "authority.pem").write_text(certificates.authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))


def server_context(certificates: Certificates, folder: Path) -> ssl.SSLContext:
    (folder / "chain.pem").write_text(certificates.chain)
    (folder / "key.pem").write_text(certificates.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    return context


@asynccontextmanager
async def rest_server(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    async def status(_: web.Request) -> web.StreamResponse:
        return web.json_response({"exchange_active": True, "trading_active": True})

    app = web.Application()
    app.router.add_get("/trade-api/v2/exchange/status", status)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def echo(socket: ServerConnection) -> None:
    async for text in socket:
        await socket.send(text)


def rest_client(url: str = REST_URL) -> HttpRestClient:
    return HttpRestClient(url, StubSigner(), SystemClock(), read_attempts=1)


async def test_rest_goes_through_the_proxy(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rest_server(server_context(certificates, tmp_path)) as port, proxy_to(port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass@{proxy.address}")
        client = rest_client()
        assert await client.status() == STATUS
        await client.aclose()
    assert proxy.targets == [f"CONNECT {HOST}:443"]
    assert proxy.credentials == ["Basic dXNlcjpwYXNz"]


async def test_the_websocket_goes_through_the_same_proxy(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(echo, "127.0.0.1", 0, ssl=server_context(certificates, tmp_path)) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with proxy_to(port) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass@{proxy.address}")
            connection = await WebsocketConnector(WS_URL, StubSigner(), SystemClock()).connect()
            await connection.send("text")
            assert await connection.receive() == "text"
            await connection.close()
    assert proxy.targets == [f"CONNECT {HOST}:443"]
    assert proxy.credentials == ["Basic dXNlcjpwYXNz"]


async def test_a_local_address_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with rest_server(None) as port:
        client = rest_client(f"http://127.0.0.1:{port}/trade-api/v2")
        assert await client.status() == STATUS
        await client.aclose()
    async with serve(echo, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"ws://127.0.0.1:{port}/trade-api/ws/v2"
        connection = await WebsocketConnector(url, StubSigner(), SystemClock()).connect()
        await connection.close()


async def test_a_proxy_that_refuses_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy_to(1, refuses=True) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        client = rest_client()
        with pytest.raises(Unreachable):
            await client.cancel_all()
        await client.aclose()
        with pytest.raises(StreamClosed):
            await WebsocketConnector(WS_URL, StubSigner(), SystemClock()).connect()
    assert proxy.targets == [f"CONNECT {HOST}:443"] * 2


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "https://proxy"}, "https://proxy"),
        ({"ALL_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": HOST}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".kalshi.co"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "example.com"}, "http://proxy:3128"),
    ],
)
@pytest.mark.parametrize("url", [REST_URL, WS_URL])
def test_both_read_the_same_environment(
    url: str, environment: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert find_proxy(url) == expected


def test_a_proxy_that_only_one_of_them_could_use_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("socks5://user:secret@proxy:1080", "proxy:3128", "http://", "http://user@proxy:3128"):
        monkeypatch.setenv("HTTPS_PROXY", address)
        with pytest.raises(HostRefused, match="HTTPS_PROXY") as refused:
            rest_client()
        assert "secret" not in str(refused.value)
        with pytest.raises(HostRefused, match="HTTPS_PROXY"):
            WebsocketConnector(WS_URL, StubSigner(), SystemClock())
