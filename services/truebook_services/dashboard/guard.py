"""The gate before the page: each request and each WebSocket handshake passes it, or is refused.

Checked are, in this order: the host name that the browser called (another one is a name that was rebound to this
address), the origin of the calling page, and the session. It also sets the response's security headers. It must not log
headers, cookies or bodies.

A page's scripts need a nonce, which is added to the framework's HTML here: data never contain a script element, since
the framework escapes them. ``unsafe-eval`` is needed by Vue, which compiles templates in the browser, and inline styles
by its style attributes.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from truebook_services.dashboard.sessions import Sessions

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
SIGN_IN: Final = "/sign-in"
SESSION: Final = "/session"
OPEN_PATHS: Final = frozenset({SIGN_IN, SESSION, "/static/sign-in.js", "/static/sign-in.css", "/favicon.ico"})
SAFE: Final = frozenset({"GET", "HEAD"})
WS_REFUSED: Final = 1008
HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Guard:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, sessions: Sessions, allowed_hosts: Iterable[str]) -> None:
        self._app = app
        self._sessions = sessions
        self._hosts = LOOPBACK | {host.lower() for host in allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _Secured(send, secrets.token_urlsafe(16)))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": WS_REFUSED, "reason": ""})
        else:
            await refusal(scope, receive, _Secured(send, secrets.token_urlsafe(16)))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            return PlainTextResponse("This page is not served under this host name.\n", status_code=421)
        if not _is_same_origin(scope, headers, host):
            return PlainTextResponse("Requests from another site are refused.\n", status_code=403)
        if scope["path"] in OPEN_PATHS or self._sessions.is_valid(session_of(headers, self._sessions.cookie)):
            return None
        if scope["type"] == "http" and scope["method"] in SAFE and "text/html" in headers.get("accept", ""):
            return RedirectResponse(SIGN_IN, status_code=303)
        return PlainTextResponse("Sign in with the token first.\n", status_code=401)

    def _is_ours(self, host: str) -> bool:
        address = _address(f"//{host}")
        return address is not None and (address.hostname or "") in self._hosts


def session_of(headers: Headers, cookie: str) -> str:
    """Return the value of the session's cookie; empty where there is none."""
    return cookie_parser(headers.get("cookie", "")).get(cookie, "")


def _is_same_origin(scope: Scope, headers: Headers, host: str) -> bool:
    """Whether the page that calls is one of ours; whatever changes something has to state it."""
    origin = headers.get("origin")
    if origin is None:
        if scope["type"] == "websocket" or scope["method"] not in SAFE:
            return False
        called_by = headers.get("sec-fetch-site", "none")
        return called_by in ("none", "same-origin") or headers.get("sec-fetch-mode") == "navigate"
    address = _address(origin)
    return address is not None and address.netloc.lower() == host.lower()


def _address(text: str) -> SplitResult | None:
    """Split an address; None where it is none: a client may send any header."""
    try:
        return urlsplit(text)
    except ValueError:
        return None


class _Secured:
    """Sends a response with the security headers; adds the nonce to the scripts of an HTML page."""

    def __init__(self, send: Send, nonce: str) -> None:
        self._send = send
        self._nonce = nonce
        self._html_start: Message | None = None
        self._html = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            headers["Content-Security-Policy"] = content_security_policy(self._nonce)
            if headers.get("content-type", "").startswith("text/html"):
                headers["Cache-Control"] = "no-store"
                self._html_start = message
                return
        if message["type"] == "http.response.body" and self._html_start is not None:
            self._html += message.get("body", b"")
            if message.get("more_body", False):
                return
            body = self._html.replace(b"<script", f'<script nonce="{self._nonce}"'.encode())
            MutableHeaders(scope=self._html_start)["Content-Length"] = str(len(body))
            await self._send(self._html_start)
            self._html_start = None
            message = {"type": "http.response.body", "body": body}
        await self._send(message)


def content_security_policy(nonce: str) -> str:
    """Return the policy: everything from this server, scripts only with the nonce or from its files."""
    return "; ".join((
        "default-src 'none'",
        f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ))  # fmt: skip
