"""The gate as a table: who may call what, over HTTP and as a WebSocket handshake."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from support.manual_time import Now
from truebook_services.dashboard.guard import Guard
from truebook_services.dashboard.sessions import Attempts, Sessions
from truebook_services.dashboard.sign_in import sign_in_routes

TOKEN = "a-token-that-is-long-enough"
HOST = "127.0.0.1:8650"
OURS = f"http://{HOST}"
PAGE = b"<html><head><script>one</script><script type='module'>two</script></head></html>"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a page everywhere, and accept each WebSocket."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": PAGE[:20], "more_body": True})
    await send({"type": "http.response.body", "body": PAGE[20:]})


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(TOKEN, 60, Now(5))


@pytest.fixture
def guard(sessions: Sessions) -> Guard:
    return Guard(application, sessions, ("page.example",))


def cookie(sessions: Sessions) -> dict[str, str]:
    return {"cookie": f"other=1; {sessions.cookie}={sessions.issue()}"}


async def call(guard: Guard, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    transport = httpx.ASGITransport(app=guard)
    async with httpx.AsyncClient(transport=transport, base_url=OURS) as client:
        return await client.request(method, path, headers=headers)


async def shake_hands(guard: Guard, headers: dict[str, str]) -> Message:
    sent: list[Message] = []
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {"type": "websocket", "path": "/_nicegui_ws/socket.io/", "headers": raw}

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await guard(scope, receive, send)
    return sent[0]


REQUESTS = [
    ("GET", "/", {"accept": "text/html"}, False, 303),
    ("GET", "/", {"accept": "text/html"}, True, 200),
    ("GET", "/_nicegui/file.js", {"accept": "*/*"}, False, 401),
    ("GET", "/sign-in", {}, False, 200),
    ("POST", "/anything", {"origin": OURS}, False, 401),
    ("POST", "/anything", {"origin": OURS}, True, 200),
    ("POST", "/anything", {}, True, 403),
    ("POST", "/anything", {"origin": "null"}, True, 403),
    ("POST", "/anything", {"origin": "http://127.0.0.1:8651"}, True, 403),
    ("POST", "/anything", {"origin": "http://evil.example"}, True, 403),
    ("GET", "/", {"origin": "http://evil.example"}, True, 403),
    ("POST", "/anything", {"origin": "http://[::1"}, True, 403),
    ("GET", "/", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, True, 403),
    ("GET", "/", {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, True, 403),
    ("GET", "/", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, True, 200),
    ("GET", "/", {"host": "evil.example"}, True, 421),
    ("GET", "/", {"host": "127.0.0.1.evil.example"}, True, 421),
    ("GET", "/", {"host": ""}, True, 421),
    ("GET", "/", {"host": "[::1"}, True, 421),
    ("GET", "/", {"host": "localhost:1"}, True, 200),
    ("GET", "/", {"host": "[::1]:8650"}, True, 200),
    ("GET", "/", {"host": "PAGE.example"}, True, 200),
    ("POST", "/session", {"origin": "http://evil.example"}, False, 403),
]


@pytest.mark.parametrize(("method", "path", "headers", "signed_in", "status"), REQUESTS)
async def test_request_passes_or_is_refused(
    guard: Guard, sessions: Sessions, method: str, path: str, headers: dict[str, str], signed_in: bool, status: int
) -> None:
    given = headers | (cookie(sessions) if signed_in else {})
    response = await call(guard, method, path, given)
    assert response.status_code == status
    assert response.headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert TOKEN not in response.text + str(response.headers)


HANDSHAKES = [
    ({"host": HOST, "origin": OURS}, True, "websocket.accept"),
    ({"host": HOST, "origin": OURS}, False, "websocket.close"),
    ({"host": HOST}, True, "websocket.close"),
    ({"host": HOST, "origin": "http://evil.example"}, True, "websocket.close"),
    ({"host": HOST, "origin": "http://[::1"}, True, "websocket.close"),
    ({"host": HOST, "origin": "http://localhost:8650"}, True, "websocket.close"),
    ({"host": "evil.example", "origin": "http://evil.example"}, True, "websocket.close"),
]


@pytest.mark.parametrize(("headers", "signed_in", "result"), HANDSHAKES)
async def test_handshake_passes_or_is_refused(
    guard: Guard, sessions: Sessions, headers: dict[str, str], signed_in: bool, result: str
) -> None:
    assert (await shake_hands(guard, headers | (cookie(sessions) if signed_in else {})))["type"] == result


async def test_scripts_have_the_nonce_of_the_policy(guard: Guard, sessions: Sessions) -> None:
    first, second = [await call(guard, "GET", "/", cookie(sessions)) for _ in range(2)]
    nonce = first.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
    assert first.text.count(f'<script nonce="{nonce}"') == 2
    assert int(first.headers["content-length"]) == len(first.content)
    assert nonce not in second.text
    assert "unsafe-inline" not in first.headers["content-security-policy"].partition("style-src")[0]


async def test_sign_in_sets_a_strict_cookie_and_delays_guesses() -> None:
    from starlette.applications import Starlette

    now = Now(5)
    sessions = Sessions(TOKEN, 60, now)
    guard = Guard(Starlette(routes=sign_in_routes(sessions, Attempts(now))), sessions, ())
    transport = httpx.ASGITransport(app=guard)
    async with httpx.AsyncClient(transport=transport, base_url=OURS, headers={"Origin": OURS}) as client:
        wrong = await client.post("/session", json={"token": "wrong"})
        assert (wrong.status_code, wrong.json()) == (401, {"error": "the token is wrong", "wait_s": 1})
        early = await client.post("/session", json={"token": TOKEN})
        assert (early.status_code, early.headers["retry-after"]) == (429, "1")
        now.pass_s(1)
        assert (await client.get("/session")).status_code == 401
        for bad in (b"", b"{}", b'{"token": 1}', b'{"token": "\xff"}', b"x" * 5_000, b'{"token": "a", "b": 1}'):
            assert (await client.post("/session", content=bad)).status_code == 400
        right = await client.post("/session", json={"token": f" {TOKEN}\n"})
        assert right.status_code == 204
        flags = right.headers["set-cookie"].lower()
        assert all(each in flags for each in ("httponly", "samesite=strict", "path=/", "max-age=60"))
        assert TOKEN.lower() not in flags
        assert (await client.get("/session")).status_code == 204
        value = client.cookies[sessions.cookie]
        assert (await client.delete("/session")).status_code == 204
        assert not sessions.is_valid(value)
