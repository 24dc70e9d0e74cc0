"""One request's way to its response: delays, faults that change the response, and the observer."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from truebook.simulation.faults import FaultKind
from truebook.simulation.latency_profile import CallDelay
from truebook_services.paper_exchange.errors import WireError, nested
from truebook_services.paper_exchange.faults import CREATES, AckFault
from truebook_services.paper_exchange.rest.requests import Endpoint, ExchangeState, Reply, ServedRequest
from truebook_services.paper_exchange.sockets import Connections

_MICROS: Final = 1_000_000


def write(state: ExchangeState, status: int, body: Any, more: dict[str, str] | None = None) -> Response:
    """Write a JSON response; ``Date`` is exchange time, which a replayed capture runs through."""
    now_us = state.now_us() + state.faults.skew_us()
    headers = {"date": formatdate(now_us // _MICROS, usegmt=True)} | (more or {})
    if body is None:
        return Response(status_code=status, headers=headers)
    return Response(msgspec.json.encode(body), status_code=status, headers=headers, media_type="application/json")


class Delivery:
    """The response to one request. Its parts are called in the order in which they stand here."""

    def __init__(self, state: ExchangeState, endpoint: Endpoint, request: Request, connections: Connections) -> None:
        self.request = request
        self.account = ""
        self.body = b""
        self.delay = CallDelay()
        if state.profile.has_responses:
            self.delay = state.profile.delay(state.latency.seed, next(state.calls))
        self._state = state
        self._endpoint = endpoint
        self._connections = connections
        self._received_us = state.now_us()
        self._status = 500
        self._result: Any = None
        self._fault = AckFault()
        self._is_duplicated = False
        self._first: Any = None

    def refuse(self) -> None:
        """Raise ``WireError`` if a fault refuses the request."""
        try:
            self._state.faults.refuse(self._endpoint.name, self.account)
        except WireError:
            kind = self._state.faults.last_refusal
            self._fault = AckFault(() if kind is None else (kind,))
            raise

    async def travel(self) -> None:
        """Wait for the way out of a read; commands wait in the engine."""
        if self.delay.read_us and self._endpoint.access != "write":
            await self._state.sleep(self.delay.read_us / _MICROS)

    def duplicates(self, first: Any) -> bool:
        """Return whether the request is executed a second time, by a fault; ``first`` is the result of the first."""
        self._first = first.body if isinstance(first, Reply) else first
        self._is_duplicated = self._state.faults.duplicates(self._endpoint.name)
        return self._is_duplicated

    def failed(self, status: int, body: Any) -> None:
        self._status, self._result = status, body
        if self._is_duplicated:
            self._fault = AckFault((FaultKind.DUPLICATED_REQUEST,))
        elif status == 401 and self._state.faults.skew_us():
            self._fault = AckFault((FaultKind.CLOCK_SKEW,))

    def succeeded(self, status: int, result: Any) -> None:
        """Take the result; the response to an order may be changed by faults."""
        self._status, self._result = status, result
        if self._endpoint.name in CREATES:
            self._fault = self._state.faults.ack_fault(_has_traded(result))
            if self._is_duplicated:
                self._fault = self._fault._replace(kinds=(*self._fault.kinds, FaultKind.DUPLICATED_REQUEST))

    def is_lost(self) -> bool:
        """Return whether the response to an order is lost by a fault."""
        return self._endpoint.name in CREATES and self._state.faults.loses_ack()

    def lost(self) -> Response:
        """Reset the connection instead of a response."""
        self._observe(0, (FaultKind.LOST_ACK,))
        self._connections.abort(self.request.scope.get("client"))
        return Response(status_code=500)

    async def send(self, more: dict[str, str]) -> Response:
        """Return the response after the way back."""
        delay_us = self.delay.response_us + self._fault.delay_us
        if delay_us:
            await self._state.sleep(delay_us / _MICROS)
        status, body, kinds = self._status, self._result, self._fault.kinds
        if FaultKind.OK_ACK in kinds:
            status = 200
        if FaultKind.FAILED_ACK in kinds:
            status, body = 502, nested(502, "bad_gateway").body
        self._observe(status, kinds)
        return write(self._state, status, body, more)

    def _observe(self, status: int, kinds: tuple[FaultKind, ...]) -> None:
        state, url = self._state, self.request.url
        if state.observer is None:
            return
        # A request whose signature is refused counts for the account that its key names.
        account = self.account or state.authenticator.owner_of(self.request.headers)
        target = f"{url.path}?{url.query}" if url.query else url.path
        state.observer(
            ServedRequest(
                self._received_us, state.now_us(), account, self.request.method, target, self._endpoint.name,
                self.body, status, self._first if self._is_duplicated else self._result, kinds,
            )
        )  # fmt: skip


def _has_traded(result: Any) -> bool:
    """Return whether an order, or one of a batch, traded at once."""
    if not isinstance(result, dict):
        return False
    return any(one.get("fill_count") not in (None, "0.00") for one in result.get("orders", (result,)))
