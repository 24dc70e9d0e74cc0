"""What is recorded of a client while it trades on the simulated exchange. Times are exchange time in microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from truebook.simulation.faults import Fault, FaultKind


class RequestKind(StrEnum):
    """What a signed request is for."""

    CREATE = "create"
    CANCEL = "cancel"
    CHANGE = "change"
    LOOK = "look"
    """Reads orders, fills or positions."""
    OTHER = "other"


class SentOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The order of a create request, as the client wrote it."""

    ticker: str
    side: str
    price: str
    count: str
    client_order_id: str = ""


class SeenRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One signed request and its response."""

    at_us: int
    responded_us: int
    kind: RequestKind
    target: str
    status: int
    """What the client was sent; 0 if the response was lost."""
    faults: tuple[FaultKind, ...] = ()
    orders: tuple[SentOrder, ...] = ()
    order_ids: tuple[str, ...] = ()
    """Exchange order ids: created by it, or named in it."""
    error: str = ""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_injected(self) -> bool:
        """Whether the response is a fault's, and not the exchange's own."""
        return bool(self.faults)


class SocketEvent(StrEnum):
    OPENED = "opened"
    CLOSED = "closed"
    RENEWED = "renewed"
    """A subscription, or a request for a snapshot."""


class SeenSocket(msgspec.Struct, frozen=True, kw_only=True):
    """What a client did with a WebSocket; ``private`` if it subscribed to its orders or fills."""

    at_us: int
    event: SocketEvent
    private: bool = False


class SeenFault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that happened; ``subject`` is its market, order or operation."""

    at_us: int
    kind: FaultKind
    subject: str = ""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The account at the end, and what the client believes of it: None if it stated nothing."""

    opening_micros: int
    equity_micros: int | None
    """Cash and positions at the price at which they could be sold; None if one could not be sold."""
    positions: Mapping[str, str]
    resting: tuple[str, ...]
    """Exchange order ids."""
    believed_positions: Mapping[str, str] | None = None
    held_lately: Mapping[str, tuple[str, ...]] = {}
    """The positions that were held in the seconds before the client stated its own; a market without an entry: none."""
    omitted: tuple[str, ...] | None = None
    """Exchange order ids that had rested for some seconds when the client stated its orders, and were not among them;
    None if it stated none."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is judged: the records in the order of time, and the plan with times since the start."""

    start_us: int
    end_us: int
    plan: tuple[Fault, ...]
    requests: tuple[SeenRequest, ...]
    sockets: tuple[SeenSocket, ...]
    faults: tuple[SeenFault, ...]
    account: Account
    exit_code: int | None = None
    """Of a client that ended before the time; None: it was running at the end."""
    unrecorded: int = 0
    """Requests of the client that are not among the records."""
