"""What a REST handler gets, and the rows of the endpoint table."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeVar

from truebook.simulation.faults import FaultKind
from truebook.simulation.latency import Latency
from truebook.simulation.latency_profile import CallDelay, LatencyProfile
from truebook.simulation.venue.account_book import USER_NOT_FOUND
from truebook.simulation.venue.accounts import Position
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook.simulation.venue.orders import Rejected
from truebook.simulation.venue.queries import VenueQueries
from truebook.simulation.venue.subaccount_names import MAX_SUBACCOUNT, PRIMARY, name_of
from truebook.venue.rate_tiers import DEFAULT_COST
from truebook_services.paper_exchange.auth import Authenticator
from truebook_services.paper_exchange.engine.commands import Command, CommandResult, latency_us
from truebook_services.paper_exchange.engine.core import ExchangeCore
from truebook_services.paper_exchange.engine.market_stats import StatsByMarket
from truebook_services.paper_exchange.errors import nested, rejected
from truebook_services.paper_exchange.faults import FaultInjector
from truebook_services.paper_exchange.rest.ignored_fields import IgnoredFields
from truebook_services.paper_exchange.rest.made_keys import ApiKeys
from truebook_services.paper_exchange.rest.paging import Query
from truebook_services.paper_exchange.rest.rate_limits import Access, RateLimits, Routing
from truebook_services.paper_exchange.rest.request_fields import unknown_fields
from truebook_services.paper_exchange.rest.spec_versions import Spec, lacking_fields
from truebook_services.paper_exchange.wire_fields import user_id

Result = TypeVar("Result")


PUNCTUAL: Final = CallDelay()


class ServedRequest(NamedTuple):
    """One request with its response, before a fault changed it; for observers. Times are the exchange's."""

    received_us: int
    responded_us: int
    account: str
    """Empty for an unsigned request."""
    method: str
    target: str
    """Path and query."""
    operation: str
    body: bytes
    status: int
    """What was sent; 0 if nothing was."""
    result: Any
    """The engine's response, also where another one was sent."""
    faults: tuple[FaultKind, ...]


RequestObserver = Callable[[ServedRequest], None]


@dataclass(frozen=True, kw_only=True)
class ShardResponses:
    """What about shards is not known of the real exchange, and therefore set."""

    unfunded_shard_status: Literal[400, 404] = 400
    used_transfer_id_status: Literal[400, 409] = 409
    transfer_latency: Latency = field(default_factory=lambda: Latency(seed=0))


@dataclass(kw_only=True)
class ExchangeState:
    """The running exchange, as its REST handlers see it."""

    exchange_id: str
    """Names this history: an exchange that starts over has another one."""
    core: ExchangeCore
    stats: StatsByMarket
    authenticator: Authenticator
    limits: RateLimits
    faults: FaultInjector
    latency: Latency
    profile: LatencyProfile
    sleep: Callable[[float], Awaitable[None]]
    """Waits for a duration of the exchange's time."""
    now_us: Callable[[], int]
    emit_liquidity_dollars: bool
    spec: Spec
    ignored: IgnoredFields
    shards: ShardResponses = field(default_factory=ShardResponses)
    api_keys: ApiKeys
    reward_cents: int
    """Daily reward of each market's incentive programme; 0: there is none."""
    history_after_s: int
    """Age at which settled markets, trades, fills and ended orders are listed as historical."""
    numbers: Iterator[int] = field(default_factory=itertools.count)
    operator_token: str | None = None
    market_data: str = ""
    """What the markets are, in words: for the operator's page."""
    observer: RequestObserver | None = None
    """Is given each request that was responded to."""
    calls: Iterator[int] = field(default_factory=itertools.count)

    @property
    def engine(self) -> SimulatedExchange:
        return self.core.engine


@dataclass(frozen=True, kw_only=True)
class RequestContext:
    """One request. ``account`` is the owner of all subaccounts; empty for an unsigned request to a public endpoint."""

    state: ExchangeState
    account: str
    path: Mapping[str, str]
    query: Query
    body: bytes
    locked: int | None = None
    """The only subaccount that the request's API key may use; None: all."""
    delay: CallDelay = PUNCTUAL
    ignored: list[str] = field(default_factory=list)
    """Names of the body's fields that no operation of the exchange has."""

    @property
    def queries(self) -> VenueQueries:
        return self.state.engine.queries

    def subaccount(self, number: int | None) -> str:
        """Return the name of a subaccount: by default the primary one, or that of the key. Raises ``WireError``."""
        if number not in (None, self.locked):
            self.check_unlocked()
        chosen = self.locked or PRIMARY if number is None else number
        name = name_of(self.account, chosen)
        if name not in self.queries.subaccounts(self.account):
            raise nested(400, "invalid_parameters", f"subaccount: this account has no subaccount {chosen}")
        return name

    def named_subaccount(self) -> str:
        """Return the name of the subaccount that the query names."""
        return self.subaccount(self.query.number("subaccount", PRIMARY, MAX_SUBACCOUNT))

    def subaccounts(self) -> list[str]:
        """Return the names of the subaccounts that a list is of: all, unless the query or the key names one."""
        number = self.query.number("subaccount", PRIMARY, MAX_SUBACCOUNT)
        if number is None and self.locked is None:
            return self.queries.subaccounts(self.account)
        return [self.subaccount(number)]

    def check_reads_primary(self) -> None:
        """Refuse a key that is restricted to a numbered subaccount, for what only the primary one has (403)."""
        if self.locked != PRIMARY:
            self.check_unlocked()

    def check_unlocked(self) -> None:
        """Refuse a key that is restricted to a subaccount: raises ``WireError`` (403)."""
        if self.locked is not None:
            raise nested(403, "forbidden", f"this API key may use subaccount {self.locked} only")

    def note_unknown(self, structure: str, raw: dict[str, Any]) -> None:
        """Note the fields of a body that the named structure does not have: they are ignored, and reported.

        Fields that the served version lacks are removed.
        """
        lacking = [name for name in lacking_fields(self.state.spec, structure) if raw.pop(name, None) is not None]
        names = (*unknown_fields(structure, raw), *lacking)
        self.ignored.extend(name for name in names if name not in self.ignored)

    def as_configured(self, rejection: Rejected) -> Rejected:
        """Return a rejection in the shape that the settings choose where the sources differ."""
        if rejection == USER_NOT_FOUND and self.state.shards.unfunded_shard_status == 400:
            return Rejected(400, f"{rejection.code}: {user_id(self.account)}", rejection.detail)
        return rejection

    def shown_position(self, subaccount: str, ticker: str) -> Position | None:
        """Return a subaccount's position as the lists show it; not to be modified."""
        held = self.queries.position(subaccount, ticker)
        return self.state.faults.shown_position(subaccount, ticker, held)

    async def submit(self, commands: Sequence[Command]) -> list[CommandResult]:
        """Submit commands of one kind to the engine, after the exchange's latency; returns their results."""
        delay_us = max((latency_us(command, self.state.latency) for command in commands), default=0)
        delay_us += self.delay.extra_us
        arrive_us = self.state.now_us() + delay_us if delay_us else None
        return await self.state.core.execute(commands, arrive_us)

    async def submit_one(self, command: Command, expected: type[Result]) -> Result:
        """Submit one command and return its result; raises ``WireError`` if the engine rejects it."""
        [result] = await self.submit([command])
        if isinstance(result, Rejected):
            raise rejected(self.as_configured(result))
        assert isinstance(result, expected)
        return result


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A response with another status than 200, or without a body."""

    status: int
    body: Any = None


Handler = Callable[[RequestContext], Awaitable[Any]]
WriteScope = Literal["write::trade", "write::transfer"]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One row of the table. ``name`` is the operation's name in the exchange's error texts."""

    method: str
    path: str
    name: str
    handler: Handler
    access: Access | Literal["public"]
    cost: int = DEFAULT_COST
    routing: Routing = "none"
    write_scope: WriteScope | None = None
    """The narrower scope that is enough for a write; None: only ``write`` itself."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """The API key's scopes of which one is needed."""
        match self.access:
            case "write":
                return ("write",) if self.write_scope is None else ("write", self.write_scope)
            case "balance":
                return ("read", "read::portfolio_balance")
            case _:
                return ("read",)


def public(path: str, name: str, handler: Handler) -> Endpoint:
    """Return the row of a read that needs no signature."""
    return Endpoint(method="GET", path=path, name=name, handler=handler, access="public")


def signed_read(path: str, name: str, handler: Handler, cost: int = DEFAULT_COST) -> Endpoint:
    """Return the row of a read of an account's own data."""
    return Endpoint(method="GET", path=path, name=name, handler=handler, access="read", cost=cost)


def transfer_write(method: str, path: str, name: str, handler: Handler) -> Endpoint:
    """Return the row of a write for which a key with the scope of transfers is enough."""
    return Endpoint(method=method, path=path, name=name, handler=handler, access="write", write_scope="write::transfer")
