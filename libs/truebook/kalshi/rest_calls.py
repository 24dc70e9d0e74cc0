"""One HTTP call to the exchange: signed, bounded in time, its failures translated. Knows no endpoint.

Reads may be tried again (a few times, within a bounded time); a write is sent exactly once, whatever happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
import stamina
from httpx_aiohttp import AiohttpTransport

from truebook.clock import Clock
from truebook.kalshi import errors, times, wire
from truebook.kalshi.hosts import check_rest_url, is_simulated
from truebook.kalshi.port import BadAnswer, ExchangeError
from truebook.kalshi.signing import Signer
from truebook.money import WireFormatError

PAGE_LIMIT: Final = 1000
"""Rows per page: the most that the exchange gives (1001 is refused)."""
MOST_PAGES: Final = 1000
RETRY_WITHIN_S: Final = 10.0
# Shorter than the five seconds after which uvicorn closes an idle connection: a POST on a connection that the other
# side is just closing has an unknown outcome. Kalshi's load balancers keep connections for a minute.
_IDLE_SIMULATED_S: Final = 4.0
_IDLE_S: Final = 30.0

Answer = TypeVar("Answer")
OnePage = TypeVar("OnePage", bound=wire.Page)
Item = TypeVar("Item")
Params = Mapping[str, str | int]


class Dated(msgspec.Struct, frozen=True):
    """When an answer was given: the exchange's ``Date`` (null without one), and how long it was on its way."""

    date_us: int | None
    round_trip_us: int


class Calls:
    """Signed calls below one base address, such as 'http://127.0.0.1:18080/trade-api/v2'."""

    def __init__(
        self,
        base_url: str,
        signer: Signer,
        clock: Clock,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        read_timeout_s: float = 5.0,
        read_attempts: int = 3,
    ) -> None:
        check_rest_url(base_url)
        self._base_url = base_url.rstrip("/")
        self._base_path = urlsplit(self._base_url).path
        self._signer = signer
        self._clock = clock
        self._read_timeout_s = read_timeout_s
        self._read_attempts = read_attempts
        self._client = httpx.AsyncClient(transport=transport or _aiohttp_transport(self._base_url))
        self._decoders: dict[type, msgspec.json.Decoder[object]] = {}

    async def read(self, path: str, kind: type[Answer], params: Params | None = None) -> Answer:
        """GET one body; raises ``ExchangeError``."""
        answer, _ = await self.read_dated(path, kind, params)
        return answer

    async def read_dated(self, path: str, kind: type[Answer], params: Params | None = None) -> tuple[Answer, Dated]:
        """GET one body, with the time at which it was answered."""
        if self._read_attempts <= 1:
            return await self._read_once(path, kind, params)
        async for attempt in stamina.retry_context(
            on=_worth_another_try,
            attempts=self._read_attempts,
            timeout=RETRY_WITHIN_S,
            wait_initial=0.1,
            wait_jitter=0.1,
            wait_max=1.0,
        ):
            with attempt:
                return await self._read_once(path, kind, params)
        raise AssertionError("stamina ends by a return or a raise")

    async def pages(
        self, path: str, kind: type[OnePage], params: Params, items: Callable[[OnePage], Sequence[Item] | None]
    ) -> list[Item]:
        """GET every page of a list; a cursor that comes twice is a ``BadAnswer`` (it would never end)."""
        found: list[Item] = []
        seen: set[str] = set()
        query: dict[str, str | int] = {"limit": PAGE_LIMIT, **params}
        for _ in range(MOST_PAGES):
            page = await self.read(path, kind, query)
            found.extend(items(page) or ())
            if not page.cursor:
                return found
            if page.cursor in seen:
                raise BadAnswer(f"GET {path}: the cursor {page.cursor!r} came twice")
            seen.add(page.cursor)
            query["cursor"] = page.cursor
        raise BadAnswer(f"GET {path}: more than {MOST_PAGES} pages")

    async def write(
        self, method: str, path: str, kind: type[Answer], *, timeout_s: float,
        body: bytes | None = None, headers: dict[str, str] | None = None, params: Params | None = None,
    ) -> Answer:  # fmt: skip
        """Send one request that changes something, once. ``headers`` come with a request that was signed before."""
        what = f"{method} {path}"
        response = await self._send(
            what, method, path, timeout_s=timeout_s, body=body,
            headers=headers if headers is not None else self.sign(method, path), params=params,
        )  # fmt: skip
        return self._decode(response, kind, what)

    async def write_without_answer(self, method: str, path: str, *, timeout_s: float) -> None:
        """Send one request whose success has no body (204)."""
        await self._send(
            f"{method} {path}", method, path, timeout_s=timeout_s, body=None,
            headers=self.sign(method, path), params=None,
        )  # fmt: skip

    def sign(self, method: str, path: str) -> dict[str, str]:
        """Sign as of now; the path is signed from the root, without its query."""
        return self._signer.headers(method, self._base_path + path, self._clock.now_us() // 1000)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _read_once(self, path: str, kind: type[Answer], params: Params | None) -> tuple[Answer, Dated]:
        what = f"GET {path}"
        started_us = self._clock.monotonic_us()
        response = await self._send(
            what, "GET", path, timeout_s=self._read_timeout_s, body=None, headers=self.sign("GET", path), params=params
        )
        round_trip_us = self._clock.monotonic_us() - started_us
        return self._decode(response, kind, what), Dated(_date_us(response), round_trip_us)

    async def _send(
        self, what: str, method: str, path: str, *, timeout_s: float,
        body: bytes | None, headers: dict[str, str], params: Params | None,
    ) -> httpx.Response:  # fmt: skip
        # A connection that is not there within half of the time certainly has not carried the request; the whole is
        # bounded apart, since httpx's time-outs count from byte to byte.
        timeout = httpx.Timeout(timeout_s, connect=timeout_s / 2, pool=timeout_s / 2)
        request = self._client.build_request(
            method, self._base_url + path, params=params, content=body, headers=headers, timeout=timeout
        )
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._client.send(request)
        except errors.TRANSPORT_ERRORS as error:
            raise errors.transport_failure(error, what) from error
        if not response.is_success:
            raise errors.status_failure(response.status_code, response.content, what)
        return response

    def _decode(self, response: httpx.Response, kind: type[Answer], what: str) -> Answer:
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = msgspec.json.Decoder(kind)
        try:
            return decoder.decode(response.content)  # type: ignore[return-value]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise errors.bad_answer(error, what) from error


def _worth_another_try(error: Exception) -> bool:
    # A body of the wrong shape will have it the next time as well.
    return isinstance(error, ExchangeError) and error.retry and not isinstance(error, BadAnswer)


def _date_us(response: httpx.Response) -> int | None:
    told = response.headers.get("date")
    if told is None:
        return None
    try:
        return times.from_http_date(told)
    except WireFormatError:
        return None


def _aiohttp_transport(base_url: str) -> httpx.AsyncBaseTransport:
    limits = httpx.Limits(
        max_connections=100,
        max_keepalive_connections=20,
        keepalive_expiry=_IDLE_SIMULATED_S if is_simulated(base_url) else _IDLE_S,
    )
    # Loading the trusted certificates costs tens of milliseconds that plain HTTP on loopback has no use for.
    return AiohttpTransport(verify=base_url.startswith("https:"), limits=limits)
