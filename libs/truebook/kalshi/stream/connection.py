"""Kalshi's WebSocket behind ``kalshi.port.Connector``: a signed upgrade, text frames, and an error for every end.

StreamRefused   the upgrade was refused with 401 or 403: the key is wrong (not if the signature's time is refused: a
                clock that differs is corrected, and a slow machine signs again)
StreamClosed    everything else that ends or prevents a connection, silence included

The exchange pings an idle connection every ten seconds, but not a busy one, so silence is detected by our own pings.
Redirects are not followed: they would leave the list of hosts.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from truebook.clock import Clock
from truebook.kalshi.hosts import (
    HostRefused,
    check_market_data_channels,
    check_production_ws_url,
    check_ws_url,
    is_production,
    is_simulated,
)
from truebook.kalshi.port import Connection, Connector, StreamClosed, StreamRefused
from truebook.kalshi.proxy import find_proxy
from truebook.kalshi.signing import MarketDataSigner, Signer
from truebook.kalshi.stream import commands

MAX_FRAME_BYTES: Final = 64 * 1024 * 1024
"""The exchange's limit of a message."""
QUEUED_FRAMES: Final = 1024
CLOSE_WITHIN_S: Final = 1.0
_REFUSALS: Final = frozenset({401, 403})
_CLOCK: Final = "header_timestamp"
"""Begin of the exchange's codes for a signature whose time is too far from its own."""
_DETAIL_LIMIT: Final = 200
_LOST: Final = (ConnectionClosed, InvalidHandshake, OSError, EOFError)
# ``ConcurrencyError`` and ``InvalidURI`` are bugs of the caller and not included.


class WebsocketConnector(Connector):
    """Opens signed connections to ``ws_url`` ('ws://127.0.0.1:18080/trade-api/ws/v2').

    A production address needs a ``MarketDataSigner``; its connections carry the four public channels only. A connection
    without a pong for ``ping_interval_s + ping_timeout_s`` (real time) counts as lost.
    """

    def __init__(
        self,
        ws_url: str,
        signer: Signer,
        clock: Clock,
        *,
        open_timeout_s: float = 5.0,
        ping_interval_s: float = 5.0,
        ping_timeout_s: float = 5.0,
        max_frame_bytes: int = MAX_FRAME_BYTES,
    ) -> None:
        self._production = is_production(ws_url)
        if self._production:
            check_production_ws_url(ws_url)
            if not isinstance(signer, MarketDataSigner):
                raise HostRefused(f"{ws_url}: a production address needs a MarketDataSigner, which can't sign orders")
        else:
            check_ws_url(ws_url)
        self._url = ws_url
        self._proxy = find_proxy(ws_url)
        self._path = urlsplit(ws_url).path
        self._signer = signer
        self._clock = clock
        self._open_timeout_s = open_timeout_s
        self._ping_interval_s = ping_interval_s
        self._ping_timeout_s = ping_timeout_s
        self._max_frame_bytes = max_frame_bytes

    async def connect(self) -> Connection:
        opening = _ConnectOnce(
            self._url,
            additional_headers=self._signer.headers("GET", self._path, self._clock.now_us() // 1000),
            open_timeout=self._open_timeout_s,
            ping_interval=self._ping_interval_s,
            ping_timeout=self._ping_timeout_s,
            close_timeout=CLOSE_WITHIN_S / 2,
            max_size=self._max_frame_bytes,
            max_queue=QUEUED_FRAMES,
            compression=None if is_simulated(self._url) else "deflate",
            proxy=self._proxy,
        )
        try:
            socket = await opening
        except InvalidStatus as error:
            status = error.response.status_code
            if status in _REFUSALS:
                detail = bytes(error.response.body or b"")[:_DETAIL_LIMIT].decode("utf-8", "replace")
                if _CLOCK in detail:
                    raise StreamClosed(f"{self._url}: HTTP {status} {detail.strip()}") from error
                raise StreamRefused(status, detail.strip()) from error
            raise StreamClosed(f"{self._url}: the upgrade failed with HTTP {status}") from error
        except _LOST as error:
            raise StreamClosed(f"{self._url}: {_describe(error)}") from error
        return WebsocketConnection(socket, market_data_only=self._production)


class WebsocketConnection(Connection):
    """One open connection."""

    def __init__(self, socket: ClientConnection, *, market_data_only: bool = False) -> None:
        self._socket = socket
        self._market_data_only = market_data_only

    async def send(self, text: str) -> None:
        if self._market_data_only:
            check_market_data_channels(commands.channels_of(text))
        try:
            await self._socket.send(text)
        except _LOST as error:
            raise StreamClosed(_describe(error)) from error

    async def receive(self) -> str:
        try:
            frame = await self._socket.recv(decode=False)
        except _LOST as error:
            raise StreamClosed(_describe(error)) from error
        # Bytes that are no UTF-8 become replacement characters; the frame becomes a dead letter.
        return frame.decode("utf-8", "replace")

    async def close(self) -> None:
        """Close with the handshake, or without it if the peer does not respond within ``CLOSE_WITHIN_S``."""
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._socket.close()
        except _LOST:
            self._socket.transport.abort()


class _ConnectOnce(connect):
    """``websockets``' opening handshake, without following redirects."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
