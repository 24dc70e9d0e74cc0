"""Clients of the operator's API: one that blocks, for commands, and one for event loops. Both say the same.

OperatorError       the API did not do what was asked; the message says why and what to do
└── NotRunning      nobody answers at the address
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from truebook_services.operator.access import Access, read_access

TIMEOUT: Final = httpx.Timeout(20.0, connect=2.0)
"""Above ``cancel_within_s``: a halt waits for the exchange."""


class OperatorError(Exception):
    """The API refused, or could not do, what was asked; ``status`` is the HTTP status (0: no answer)."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class NotRunning(OperatorError):
    """Nothing answers there."""


class OperatorClient:
    """The client for commands: each call blocks until it is answered."""

    def __init__(self, access: Access, *, transport: httpx.BaseTransport | None = None) -> None:
        self.access = access
        self._http = httpx.Client(**_options(access), transport=transport)

    @classmethod
    def of_folder(cls, folder: Path) -> OperatorClient | None:
        """The client of the system that runs on this state folder; null where none answers."""
        access = read_access(folder)
        if access is None:
            return None
        client = cls(access)
        if client.is_alive():
            return client
        client.close()
        return None

    def is_alive(self) -> bool:
        """Tell whether this API (and not just anyone on its port) answers with our token."""
        try:
            return _read(self._http.get("/process", timeout=2.0)) == {"pid": self.access.pid}
        except (httpx.TransportError, OperatorError):
            return False

    def status(self) -> dict[str, Any]:
        return self._call("GET", "/status")

    def why(self, ticker: str | None = None) -> dict[str, Any]:
        return self._call("GET", _why_path(ticker))

    def halt(self, *, keep_orders: bool = False) -> dict[str, Any]:
        return self._call("POST", "/halt", {"keep_orders": keep_orders})

    def resume(self, hold: str | None = None) -> dict[str, Any]:
        return self._call("POST", "/resume", {"hold": hold})

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            return _read(self._http.request(method, path, json=body))
        except httpx.TransportError as error:
            raise _not_running(self.access, error) from error


class AsyncOperatorClient:
    """The client for event loops."""

    def __init__(self, access: Access, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.access = access
        self._http = httpx.AsyncClient(**_options(access), transport=transport)

    async def status(self) -> dict[str, Any]:
        return await self._call("GET", "/status")

    async def why(self, ticker: str | None = None) -> dict[str, Any]:
        return await self._call("GET", _why_path(ticker))

    async def halt(self, *, keep_orders: bool = False) -> dict[str, Any]:
        return await self._call("POST", "/halt", {"keep_orders": keep_orders})

    async def resume(self, hold: str | None = None) -> dict[str, Any]:
        return await self._call("POST", "/resume", {"hold": hold})

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            return _read(await self._http.request(method, path, json=body))
        except httpx.TransportError as error:
            raise _not_running(self.access, error) from error


def _options(access: Access) -> dict[str, Any]:
    # trust_env off: a proxy of the environment must not get to see a loopback call and its token.
    return {
        "base_url": access.url,
        "headers": {"Authorization": f"Bearer {access.token}"},
        "timeout": TIMEOUT,
        "trust_env": False,
    }


def _why_path(ticker: str | None) -> str:
    return "/why" if ticker is None else f"/why?ticker={quote(ticker, safe='')}"


def _read(response: httpx.Response) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = response.json()
    except ValueError as error:
        raise OperatorError(
            f"HTTP {response.status_code} without a JSON body: see the log", response.status_code
        ) from error
    if response.is_success:
        return answer
    what, what_to_do = answer.get("error", "no reason given"), answer.get("what_to_do", "see the log")
    raise OperatorError(f"{what}; {what_to_do}", response.status_code)


def _not_running(access: Access, error: httpx.TransportError) -> NotRunning:
    return NotRunning(f"{access.url} does not answer ({error}): is `truebook run` still running?")
