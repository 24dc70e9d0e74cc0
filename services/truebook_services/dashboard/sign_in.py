"""The sign-in page and the session's endpoint: plain HTML, served before the framework's scripts.

| request | does |
|---|---|
| ``GET /sign-in`` | shows the form; its script reads a token from the part of the address behind ``#`` and removes it |
| ``GET /session`` | 204 with a valid session, else 401 |
| ``POST /session`` ``{"token": …}`` | sets the session's cookie; a wrong token: 401 and the seconds to wait |
| ``DELETE /session`` | ends the session |
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from truebook.decoding import UNREADABLE
from truebook_services.dashboard.guard import SESSION, SIGN_IN, session_of
from truebook_services.dashboard.sessions import Attempts, Sessions

STATIC: Final = Path(__file__).with_name("static")
MAX_BODY_BYTES: Final = 4096


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str


def sign_in_routes(sessions: Sessions, attempts: Attempts) -> list[Route]:
    """Return the routes; ``attempts`` delays those who give a wrong token."""
    page = (STATIC / "sign-in.html").read_text()

    async def sign_in(_: Request) -> Response:
        return HTMLResponse(page)

    async def session(request: Request) -> Response:
        value = session_of(request.headers, sessions.cookie)
        if request.method == "DELETE":
            sessions.sign_out(value)
            response = Response(status_code=204)
            response.delete_cookie(sessions.cookie, path="/", httponly=True, samesite="strict")
            return response
        if request.method == "POST":
            return await _open(request, sessions, attempts)
        return Response(status_code=204 if sessions.is_valid(value) else 401, headers={"Cache-Control": "no-store"})

    return [Route(SIGN_IN, sign_in, methods=["GET"]), Route(SESSION, session, methods=["GET", "POST", "DELETE"])]


async def _open(request: Request, sessions: Sessions, attempts: Attempts) -> Response:
    peer = request.client.host if request.client is not None else ""
    given = await _read(request)
    if wait_s := attempts.wait_s(peer):  # behind the body: requests that are read side by side wait too
        return _refused(429, "too many wrong tokens", wait_s)
    if given is None:
        return JSONResponse({"error": 'expected {"token": "…"}'}, status_code=400)
    if not sessions.accepts(given.token.strip()):
        return _refused(401, "the token is wrong", attempts.failed(peer))
    attempts.succeeded(peer)
    response = Response(status_code=204)
    response.set_cookie(
        sessions.cookie, sessions.issue(), max_age=sessions.max_age_s, path="/", httponly=True, samesite="strict",
        secure=request.headers.get("x-forwarded-proto", request.url.scheme) == "https",
    )  # fmt: skip
    return response


async def _read(request: Request) -> Credentials | None:
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY_BYTES:
                return None
        return msgspec.json.decode(body, type=Credentials)
    except (*UNREADABLE, ClientDisconnect):
        return None


def _refused(code: int, error: str, wait_s: float) -> Response:
    seconds = math.ceil(wait_s)
    return JSONResponse({"error": error, "wait_s": seconds}, status_code=code, headers={"Retry-After": str(seconds)})
