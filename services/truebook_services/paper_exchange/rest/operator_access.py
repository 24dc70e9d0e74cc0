"""Who may use the operator's interface: requests from this machine, with ``Authorization: Bearer TOKEN``."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from truebook.files import write_atomically

TOKEN_FILE: Final = "operator-token"
MAX_BODY: Final = 65_536
OperatorHandler = Callable[[Request], Awaitable[Response]]


def operator_token(folder: Path | None, token: str | None) -> str | None:
    """Return the configured token, or that of the state folder, which the first call makes; None without a folder."""
    if token is not None or folder is None:
        return token
    file = folder / TOKEN_FILE
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(file, secrets.token_urlsafe(24).encode() + b"\n")
    return file.read_text(encoding="ascii").strip()


def guarded(handle: OperatorHandler, token: str) -> OperatorHandler:
    """Let a handler serve only requests that the operator makes."""

    async def serve(request: Request) -> Response:
        if request.client is not None and not ipaddress.ip_address(request.client.host).is_loopback:
            return refusal(403, "the operator's interface is for the exchange's own machine only")
        given = request.headers.get("authorization", "").encode("latin-1")
        if not secrets.compare_digest(given, f"Bearer {token}".encode()):
            return refusal(401, f"send 'Authorization: Bearer TOKEN' with the token of {TOKEN_FILE}")
        return await handle(request)

    return serve


def refusal(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status_code=status)
