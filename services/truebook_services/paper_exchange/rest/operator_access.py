"""Who may use the operator's interface: requests from this machine, with ``Authorization: Bearer TOKEN``.

A page for browsers takes the token as the password of HTTP's Basic scheme too, which they ask for and then repeat.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from truebook.decoding import UNREADABLE
from truebook.files import write_atomically

TOKEN_FILE: Final = "operator-token"
_MAX_BODY: Final = 65_536
OperatorHandler = Callable[[Request], Awaitable[Response]]
Body = TypeVar("Body")


class BodyError(Exception):
    """A body that is too large or not of its form; the text states what is wrong."""


def operator_token(folder: Path | None, token: str | None) -> str | None:
    """Return the configured token, or that of the state folder, which the first call makes; None without a folder."""
    if token is not None or folder is None:
        return token
    file = folder / TOKEN_FILE
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(file, secrets.token_urlsafe(24).encode() + b"\n")
    return file.read_text(encoding="ascii").strip()


def guarded(handle: OperatorHandler, token: str, *, asks_for_password: bool = False) -> OperatorHandler:
    """Let a handler serve only requests that the operator makes; browsers may send its token as a password."""

    async def serve(request: Request) -> Response:
        if request.client is not None and not ipaddress.ip_address(request.client.host).is_loopback:
            return refusal(403, "the operator's interface is for the exchange's own machine only")
        given = _token_in(request.headers.get("authorization", ""), may_be_password=asks_for_password)
        if not given or not secrets.compare_digest(given, token.encode()):
            refused = refusal(401, f"send 'Authorization: Bearer TOKEN' with the token of {TOKEN_FILE}")
            if asks_for_password:
                refused.headers["www-authenticate"] = 'Basic realm="operator token as the password", charset="UTF-8"'
            return refused
        return await handle(request)

    return serve


def _token_in(header: str, *, may_be_password: bool) -> bytes:
    """Return the token of an Authorization header; empty without one."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.encode("latin-1")
    if scheme.lower() != "basic" or not may_be_password:
        return b""
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""


async def read_body(request: Request, kind: type[Body]) -> Body:
    """Read a request's JSON body; raises ``BodyError``."""
    body = await request.body()
    if len(body) > _MAX_BODY:
        raise BodyError(f"the body is larger than {_MAX_BODY} bytes")
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise BodyError(str(error)) from error


def refusal(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status_code=status)
