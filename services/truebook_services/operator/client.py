"""The operator's port over HTTP, for a running process that serves the API of a state folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import msgspec

from truebook.decoding import UNREADABLE
from truebook_services.operator.access import Access, read_access
from truebook_services.operator.port import (
    STATUS_CODES,
    WINDOW_S,
    HaltResult,
    NotRunning,
    Operator,
    OperatorError,
    ResumeResult,
    Status,
    Why,
)
from truebook_services.operator.requests import Request, ResultT

CONNECT_S: Final = 2.0
TIMEOUT: Final = httpx.Timeout(20.0, connect=CONNECT_S)
"""Above ``cancel_timeout_s``: a halt waits for the exchange."""
PROCESS_TIMEOUT_S: Final = 2.0

Result = TypeVar("Result")


class ApiClient:
    """Calls one process's API with its token."""

    def __init__(self, access: Access, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.access = access
        # trust_env off: a proxy named in the environment must not see a loopback call and its token.
        self._http = httpx.AsyncClient(
            base_url=access.url, headers={"Authorization": f"Bearer {access.token}"}, timeout=TIMEOUT,
            trust_env=False, transport=transport,
        )  # fmt: skip

    async def is_alive(self) -> bool:
        """Whether the intended process (not another one on its port) accepts the token."""
        try:
            response = await self._http.get("/process", timeout=PROCESS_TIMEOUT_S)
            return bool(_decode(response, dict[str, Any]) == {"pid": self.access.pid})
        except (httpx.TransportError, OperatorError):
            return False

    async def call(self, method: str, path: str, kind: Any, **options: Any) -> Any:
        """Return the result as ``kind``; raises ``OperatorError``."""
        try:
            return _decode(await self._http.request(method, path, **options), kind)
        except httpx.TransportError as error:
            raise NotRunning(
                f"{self.access.url} does not respond ({str(error) or type(error).__name__})", "check `truebook run`"
            ) from error

    async def aclose(self) -> None:
        await self._http.aclose()


class HttpOperator(Operator):
    """Calls the API; ``window_s`` has no effect, since a running process counts for itself."""

    def __init__(self, access: Access, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = ApiClient(access, transport=transport)

    @classmethod
    @asynccontextmanager
    async def of_folder(cls, folder: Path) -> AsyncIterator[HttpOperator | None]:
        """Connect to the process that runs on this state folder while entered; None where none serves it."""
        access = read_access(folder)
        if access is None:
            yield None
            return
        client = cls(access)
        try:
            yield client if await client.is_alive() else None
        finally:
            await client.aclose()

    async def is_alive(self) -> bool:
        """Whether the intended process (not another one on its port) accepts the token."""
        return await self._client.is_alive()

    async def status(self, window_s: float = WINDOW_S) -> Status:
        status = await self._call("GET", "/status", Status)
        return msgspec.structs.replace(status, alive=True)

    async def why(self, ticker: str | None = None, window_s: float = WINDOW_S) -> Why:
        why = await self._call("GET", "/why", Why, params={} if ticker is None else {"ticker": ticker})
        return msgspec.structs.replace(why, alive=True)

    async def halt(self, *, keep_orders: bool = False) -> HaltResult:
        return await self._call("POST", "/halt", HaltResult, json={"keep_orders": keep_orders})

    async def resume(self, hold: str | None = None) -> ResumeResult:
        return await self._call("POST", "/resume", ResumeResult, json={"hold": hold})

    async def perform(self, request: Request[ResultT]) -> ResultT:
        result: ResultT = await self._call(
            "POST", f"/requests/{request.NAME}", request.RESULT, content=msgspec.json.encode(request),
            timeout=httpx.Timeout(request.TIMEOUT_S, connect=CONNECT_S),
        )  # fmt: skip
        return result

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _call(self, method: str, path: str, kind: type[Result], **options: Any) -> Result:
        result: Result = await self._client.call(method, path, kind, **options)
        return result


def _decode(response: httpx.Response, kind: Any) -> Any:
    try:
        if response.is_success:
            return msgspec.json.decode(response.content, type=kind)
        body = msgspec.json.decode(response.content, type=dict[str, Any])
    except UNREADABLE as error:
        raise OperatorError(f"HTTP {response.status_code} with an unreadable body", "see the process's log") from error
    kinds = {code: error for error, code in STATUS_CODES.items()}
    raise kinds.get(response.status_code, OperatorError)(
        body.get("error", f"HTTP {response.status_code}"), body.get("hint", "see the process's log")
    )
