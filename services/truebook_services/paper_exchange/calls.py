"""What a REST handler is given, and the table of endpoints that handlers make."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from truebook.simulation.latency import Latency
from truebook.simulation.order_entry import OrderEntry
from truebook_services.paper_exchange.auth import Authenticator
from truebook_services.paper_exchange.core import ExchangeCore
from truebook_services.paper_exchange.fault_board import FaultBoard
from truebook_services.paper_exchange.hub import Hub
from truebook_services.paper_exchange.paging import Query
from truebook_services.paper_exchange.rate_limits import DEFAULT_COST, RateLimits
from truebook_services.paper_exchange.settings import PaperExchangeSettings


@dataclass(frozen=True, kw_only=True)
class Floor:
    """The running exchange as its sockets see it."""

    settings: PaperExchangeSettings
    core: ExchangeCore
    hub: Hub
    authenticator: Authenticator
    limits: RateLimits
    faults: FaultBoard
    now_us: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]]
    latency: Latency
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def engine(self) -> OrderEntry:
        return self.core.engine


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request. ``account`` is empty on public endpoints that nobody signed."""

    floor: Floor
    account: str
    path: Mapping[str, str]
    query: Query
    repeated: Callable[[str], list[str]]
    body: bytes

    @property
    def engine(self) -> OrderEntry:
        return self.floor.engine


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer with another status than 200, or without a body."""

    status: int
    body: Any = None


Handler = Callable[[Call], Awaitable[Any]]
Access = Literal["public", "read", "write", "balance"]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One row of the table. ``name`` is the operation's name in the exchange's error texts."""

    method: str
    path: str
    name: str
    handler: Handler
    access: Access
    cost: int = DEFAULT_COST
