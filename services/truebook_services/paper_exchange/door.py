"""Who may open a WebSocket: the upgrade is signed like a request, for public channels too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from websockets.http11 import Request

from truebook_services.paper_exchange.auth import Authenticator
from truebook_services.paper_exchange.errors import WireError, not_found
from truebook_services.paper_exchange.hub import Hub
from truebook_services.paper_exchange.sockets import Session
from truebook_services.paper_exchange.stream import StreamLimits, StreamSession

PATH: Final = "/trade-api/ws/v2"


class Door:
    """Admits connections to the hub."""

    def __init__(self, hub: Hub, authenticator: Authenticator, *, heartbeat_s: float, limits: StreamLimits) -> None:
        self.heartbeat_s = heartbeat_s
        self._hub = hub
        self._authenticator = authenticator
        self._limits = limits

    def admit(self, request: Request, wake: Callable[[], None]) -> Session | tuple[int, bytes]:
        """Answer a session, or the status and JSON body of the refusal."""
        path = request.path.partition("?")[0]
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        try:
            if path != PATH:
                raise not_found()
            account = self._authenticator.account_of(headers, "GET", path, self._hub.now_us())
        except WireError as error:
            return error.status, msgspec.json.encode(error.body)
        return self.open(account, wake)

    def open(self, account: str, wake: Callable[[], None]) -> StreamSession:
        """Open a session for an account whose signature was checked: also for connections without a socket."""
        session = StreamSession(account, self._hub, self._limits, wake, self._hub.left)
        self._hub.sessions[session] = None
        return session
