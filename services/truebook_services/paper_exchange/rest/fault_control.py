"""The operator's interface to faults: which are scheduled, more of them from now on, or none.

| request | does |
|---|---|
| ``GET /simulated/faults`` | lists the scheduled faults, and all kinds |
| ``POST /simulated/faults`` ``{"faults": ["rate_limited@t=0..30"]}`` | adds faults; times count from now |
| ``DELETE /simulated/faults`` | removes all; one that has begun in a market ends at its time |

Requests come from this machine, with ``Authorization: Bearer TOKEN``.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from truebook.files import write_atomically
from truebook.simulation.faults import FaultError, FaultKind, FaultSchedule, parse_fault

PATH: Final = "/simulated/faults"
TOKEN_FILE: Final = "operator-token"
_MAX_BODY: Final = 65_536


class _Added(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    faults: list[str]


def operator_token(folder: Path | None, token: str | None) -> str | None:
    """Return the configured token, or that of the state folder, which the first call makes; None without a folder."""
    if token is not None or folder is None:
        return token
    file = folder / TOKEN_FILE
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(file, secrets.token_urlsafe(24).encode() + b"\n")
    return file.read_text(encoding="ascii").strip()


def fault_routes(schedule: FaultSchedule, now_us: Callable[[], int], token: str | None) -> list[Route]:
    """Return the routes; none without a token."""
    if token is None:
        return []

    def guarded(handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            if request.client is not None and not ipaddress.ip_address(request.client.host).is_loopback:
                return _error(403, "faults are set from the exchange's own machine only")
            given = request.headers.get("authorization", "").encode("latin-1")
            if not secrets.compare_digest(given, f"Bearer {token}".encode()):
                return _error(401, f"send 'Authorization: Bearer TOKEN' with the token of {TOKEN_FILE}")
            return await handle(request)

        return serve

    async def listed(_: Request) -> Response:
        return JSONResponse({"faults": schedule.listed(), "kinds": [kind.value for kind in FaultKind]})

    async def add(request: Request) -> Response:
        body = await request.body()
        try:
            if len(body) > _MAX_BODY:
                raise FaultError(f"the body is larger than {_MAX_BODY} bytes")
            faults = [parse_fault(text) for text in msgspec.json.decode(body, type=_Added).faults]
        except (msgspec.DecodeError, FaultError) as error:
            return _error(400, str(error))
        for fault in faults:
            schedule.add(fault, from_us=now_us())
        return await listed(request)

    async def clear(request: Request) -> Response:
        schedule.clear()
        return await listed(request)

    return [
        Route(PATH, guarded(listed), methods=["GET"]),
        Route(PATH, guarded(add), methods=["POST"]),
        Route(PATH, guarded(clear), methods=["DELETE"]),
    ]


def _error(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status_code=status)
