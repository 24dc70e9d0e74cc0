"""One HTTP call to the exchange: signed, with a timeout, its failures translated. Endpoints are in ``client``.

Reads are retried (a few times, within a bounded time; on a lost connection aiohttp repeats one, too). A write is
sent at most once, whatever its method.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlsplit

import aiohttp
import httpx
import msgspec
import stamina
from httpx_aiohttp import AiohttpTransport

from truebook.clock import Clock
from truebook.decoding import UNREADABLE
from truebook.kalshi.hosts import check_rest_url, is_simulated
from truebook.kalshi.port import BadResponse, ExchangeError, RateLimited
from truebook.kalshi.proxy import find_proxy
from truebook.kalshi.rest import errors
from truebook.kalshi.rest.pace import ReadPace
from truebook.kalshi.signing import Signer
from truebook.kalshi.wire import rest_bodies, times
from truebook.money import WireFormatError
from truebook.venue.account import ExchangeIdentity

PAGE_LIMIT: Final = 1000
"""Rows per page: the exchange's maximum (1001 is refused)."""
MAX_PAGES: Final = 1000
READ_METHODS: Final = frozenset({"GET"})
RETRY_WITHIN_S: Final = 10.0
RATE_LIMITED_S: Final = 1.0
"""After a 429: every bucket of the lowest tier is refilled by then, also that of the balance: one token a second."""
# Below the five seconds after which uvicorn closes an idle connection: a POST on a connection that the other side is
# closing has an unknown outcome. Kalshi's load balancers keep connections for a minute.
_IDLE_SIMULATED_S: Final = 4.0
_IDLE_S: Final = 30.0

Body = TypeVar("Body")
OnePage = TypeVar("OnePage", bound=rest_bodies.Page)
Item = TypeVar("Item")
Params = Mapping[str, str | int]


class Dated(msgspec.Struct, frozen=True):
    """The time of a response: the exchange's ``Date`` (None without one), and the round trip."""

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

    @property
    def account(self) -> ExchangeIdentity:
        """Return the host and the id of the key that signs."""
        return ExchangeIdentity(exchange=urlsplit(self._base_url).netloc, key_id=self._signer.key_id)

    async def read(self, path: str, kind: type[Body], params: Params | None = None) -> Body:
        """GET one body; raises ``ExchangeError``."""
        return (await self.read_dated(path, kind, params))[0]

    async def read_dated(self, path: str, kind: type[Body], params: Params | None = None) -> tuple[Body, Dated]:
        """GET one body, with the time of the response."""
        if self._read_attempts <= 1:
            return await self._read_once(path, kind, params)
        async for attempt in stamina.retry_context(
            on=_may_retry,
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
        self, path: str, kind: type[OnePage], params: Params, items: Callable[[OnePage], Sequence[Item] | None],
        pace: ReadPace | None = None,
    ) -> list[Item]:  # fmt: skip
        """GET every page of a list; a repeated cursor is a ``BadResponse`` (it would never end)."""
        found: list[Item] = []
        seen: set[str] = set()
        query: dict[str, str | int] = {"limit": PAGE_LIMIT, **params}
        for _ in range(MAX_PAGES):
            read = partial(self.read, path, kind, query)
            page = await (read() if pace is None else pace.read(read))
            found.extend(items(page) or ())
            if not page.cursor:
                return found
            if page.cursor in seen:
                raise BadResponse(f"GET {path}: the cursor {page.cursor!r} was repeated")
            seen.add(page.cursor)
            query["cursor"] = page.cursor
        raise BadResponse(f"GET {path}: more than {MAX_PAGES} pages")

    async def write(
        self, method: str, path: str, kind: type[Body], *, timeout_s: float,
        body: bytes | None = None, headers: dict[str, str] | None = None, params: Params | None = None,
    ) -> Body:  # fmt: skip
        """Send one state-changing request, once. ``headers`` are given if the request is signed already."""
        what = f"{method} {path}"
        response = await self._send(
            what, method, path, timeout_s=timeout_s, body=body,
            headers=headers if headers is not None else self.sign(method, path), params=params,
        )  # fmt: skip
        return self._decode(response, kind, what)

    async def write_without_body(
        self, method: str, path: str, *, timeout_s: float, body: bytes | None = None, params: Params | None = None
    ) -> None:  # fmt: skip
        """Send one request whose successful response has no body (204)."""
        await self._send(
            f"{method} {path}", method, path, timeout_s=timeout_s, body=body,
            headers=self.sign(method, path), params=params,
        )  # fmt: skip

    def sign(self, method: str, path: str) -> dict[str, str]:
        """Sign with the current time; the path is signed from the root, without its query."""
        return self._signer.headers(method, self._base_path + path, self._clock.now_us() // 1000)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _read_once(self, path: str, kind: type[Body], params: Params | None) -> tuple[Body, Dated]:
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
        # A connection that is not open within half of the time has certainly not sent the request. The whole call is
        # bounded separately, since httpx's timeouts restart with every byte.
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

    def _decode(self, response: httpx.Response, kind: type[Body], what: str) -> Body:
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = msgspec.json.Decoder(kind)
        try:
            return decoder.decode(response.content)  # type: ignore[return-value]
        except UNREADABLE as error:
            raise errors.bad_response(error, what) from error


def _may_retry(error: Exception) -> bool | float:
    """Return whether to retry, or after how many seconds."""
    if isinstance(error, RateLimited):
        return RATE_LIMITED_S
    # A body of the wrong shape will be wrong the next time as well.
    return isinstance(error, ExchangeError) and error.retry and not isinstance(error, BadResponse)


def _date_us(response: httpx.Response) -> int | None:
    date = response.headers.get("date")
    if date is None:
        return None
    try:
        return times.from_http_date(date)
    except WireFormatError:
        return None


class _WriteOnceTransport(AiohttpTransport):
    """A transport that repeats no write.

    aiohttp sends a request of an idempotent method (GET, PUT, DELETE) again when its connection is lost. A repeated
    cancel returns 404 for an order that the first one cancelled, and costs a second token.
    """

    def get_client(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self.limits.max_connections or 0, keepalive_timeout=self.limits.keepalive_expiry,
            ssl=self.ssl_context,
        )  # fmt: skip
        return aiohttp.ClientSession(connector=connector, middlewares=(_send_writes_once,))


async def _send_writes_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:  # fmt: skip
    """Turn a lost connection of a write into an error after which aiohttp does not send it again."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # never sent, and not repeated
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method in READ_METHODS:
            raise
        raise aiohttp.ClientConnectionError(f"{type(error).__name__}: {error}") from error


def _aiohttp_transport(base_url: str) -> httpx.AsyncBaseTransport:
    limits = httpx.Limits(
        max_connections=100,
        max_keepalive_connections=20,
        keepalive_expiry=_IDLE_SIMULATED_S if is_simulated(base_url) else _IDLE_S,
    )
    proxy = find_proxy(base_url)
    # Loading the trusted certificates takes tens of milliseconds and is of no use for plain HTTP on loopback.
    return _WriteOnceTransport(
        verify=base_url.startswith("https:"), limits=limits, proxy=None if proxy is None else httpx.Proxy(proxy)
    )
