"""Publishes the engine's events to every open stream session, and opens sessions for signed upgrades."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from websockets.http11 import Request

from truebook.clock import Clock
from truebook.simulation.conduct.records import SocketEvent
from truebook.simulation.events import (
    BookReplaced,
    Filled,
    GroupChanged,
    LevelChanged,
    MarketChanged,
    OrderChanged,
    SimulationEvent,
    Traded,
)
from truebook.simulation.faults import FaultKind
from truebook.simulation.venue.orders import OrderCosts
from truebook.simulation.venue.queries import VenueQueries
from truebook_services.paper_exchange.auth import Authenticator
from truebook_services.paper_exchange.engine.market_stats import StatsByMarket
from truebook_services.paper_exchange.errors import WireError, not_found
from truebook_services.paper_exchange.faults import FaultInjector
from truebook_services.paper_exchange.sockets import FrameSession
from truebook_services.paper_exchange.stream import frames, private_frames
from truebook_services.paper_exchange.stream.frames import Outgoing
from truebook_services.paper_exchange.stream.session import StreamLimits, StreamSession
from truebook_services.paper_exchange.stream.subscriptions import StreamChannel
from truebook_services.paper_exchange.wire_fields import market_id

PATH: Final = "/trade-api/ws/v2"
_OF_BOOKS: Final = (LevelChanged, BookReplaced, Traded)


class StreamHub:
    """The open sessions, and what they read of the exchange."""

    def __init__(
        self,
        queries: VenueQueries,
        stats: StatsByMarket,
        *,
        clock: Clock,
        now_us: Callable[[], int],
        faults: FaultInjector,
        drop_sockets: Callable[[], None],
        limits: StreamLimits,
        scheduled: Callable[[], None],
        both_sides: bool = False,
    ) -> None:
        self.sessions: dict[StreamSession, None] = {}
        self.now_us = now_us
        self.steady_us = clock.monotonic_us
        self.scheduled = scheduled
        self._queries = queries
        self._stats = stats
        self._faults = faults
        self._drop_sockets = drop_sockets
        self._limits = limits
        self._both_sides = both_sides
        self.observer: Callable[[StreamSession, SocketEvent], None] | None = None
        """Is given each session that opens, closes, or asks for the present state of a channel."""

    def open_session(self, account: str, wake: Callable[[], None], locked: int | None = None) -> StreamSession:
        """Open a session for an authenticated account, with or without a socket.

        ``locked`` is the only subaccount that its key may use; None: all.
        """
        session = StreamSession(account, self, self._limits, wake, self._remove, locked)
        self.sessions[session] = None
        self._observe(session, SocketEvent.OPENED)
        return session

    def renewed(self, session: StreamSession) -> None:
        """Note that a session has subscribed, or was sent a snapshot that it requested."""
        self._observe(session, SocketEvent.RENEWED)

    def _remove(self, session: StreamSession) -> None:
        self.sessions.pop(session, None)
        self._observe(session, SocketEvent.CLOSED)

    def _observe(self, session: StreamSession, event: SocketEvent) -> None:
        if self.observer is not None:
            self.observer(session, event)

    def next_due_us(self) -> int | None:
        """Return when the next data of a session are due, in local monotonic time."""
        due_us = [at for session in self.sessions if (at := session.next_due_us()) is not None]
        return min(due_us, default=None)

    # Reads of the sessions.

    def snapshot(self, ticker: str, use_yes_price: bool) -> dict[str, Any] | None:
        if self._queries.market(ticker) is None:
            return None
        return frames.snapshot_body(
            ticker,
            self._queries.book(ticker),
            self._queries.clock_of(ticker),
            use_yes_price=use_yes_price,
            both_sides=self._both_sides,
        )

    def tickers_of_ids(self, market_ids: Sequence[str]) -> list[str]:
        by_id = {market_id(one.ticker): one.ticker for one in self._queries.markets()}
        return [by_id[one] for one in market_ids if one in by_id]

    def ticker(self, ticker: str) -> Outgoing | None:
        market = self._queries.market(ticker)
        if market is None:
            return None
        return frames.ticker_update(market, self._stats.of(ticker), self._queries.book(ticker), self.now_us())

    def signed_us(self) -> int:
        """Return the time by which signatures are checked."""
        return self.now_us() + self._faults.skew_us()

    # Publishing.

    def publish(self, events: Sequence[SimulationEvent]) -> None:
        """Publish a tick's events to all sessions in order; ticker updates once per market, at the end."""
        self._stats.record(events)
        self._faults.follow(events, self._queries)
        events = self._faults.delayed(events)
        sent = self._send(events) if events and self.sessions else 0
        for session in list(self.sessions):
            session.tick()
            session.flush()
        if self._faults.drops_sockets(sent):
            self._drop_sockets()

    def _send(self, events: Sequence[SimulationEvent]) -> int:
        """Return the number of messages sent, without ticker updates."""
        moved: dict[str, None] = {}
        sent = 0
        for event in events:
            if isinstance(event, _OF_BOOKS):
                moved[event.ticker] = None
            fault = self._faults.delta_fault() if isinstance(event, LevelChanged) else None
            for outgoing in self._outgoing(event):
                self._publish(outgoing, fault)
                sent += 1
            if self._faults.doubles_fill(event):
                self._publish(self._outgoing(event)[0])
        for ticker in moved if self._has_subscription(StreamChannel.TICKER) else ():
            update = self.ticker(ticker)
            if update is not None:
                self._publish(update)
        return sent

    def _has_subscription(self, channel: StreamChannel) -> bool:
        return any(session.subscriptions.of(channel) is not None for session in self.sessions)

    def _publish(self, outgoing: Outgoing, fault: FaultKind | None = None) -> None:
        is_mute = self._faults.is_mute()
        for session in self.sessions:
            if is_mute:
                session.skip_one(outgoing)
            elif fault is None:
                session.publish(outgoing)
            elif fault is FaultKind.SEQUENCE_REPEAT:
                session.publish(outgoing, twice=True)
            else:
                session.skip_one(outgoing, restarts=fault is FaultKind.SEQUENCE_RESTART)

    def _outgoing(self, event: SimulationEvent) -> list[Outgoing]:
        match event:
            case LevelChanged():
                return [frames.delta(event)]
            case BookReplaced():
                return [frames.snapshot(event, both_sides=self._both_sides)]
            case Traded():
                return [frames.trade(event)]
            case Filled():
                return [private_frames.fill(event), *self._position_of(event)]
            case OrderChanged(account=account, order=order):
                request = self._queries.order_request(account, order.exchange_order_id)
                costs = self._queries.order_costs(account, order.exchange_order_id)
                if request is None:
                    return []
                return [private_frames.user_order(event, costs or OrderCosts(), request)]
            case GroupChanged():
                return [private_frames.order_group(event)]
            case MarketChanged():
                update = frames.lifecycle(event)
                announced = [frames.event_lifecycle(event.metadata)] if self._begins_event(event) else []
                return announced if update is None else [*announced, update]
            case _:
                return []

    def _begins_event(self, event: MarketChanged) -> bool:
        """Return whether a market is the first one listed of its event."""
        if event.event_type != "created":
            return False
        of_event = (one.ticker for one in self._queries.markets() if one.event == event.metadata.event)
        return next(of_event, None) == event.metadata.ticker

    def _position_of(self, event: Filled) -> list[Outgoing]:
        held = self._queries.position(event.account, event.fill.ticker)
        metadata = self._queries.market(event.fill.ticker)
        if held is None or metadata is None:
            return []
        return [private_frames.market_position(event.account, event.fill.ticker, held, metadata.volume_centi)]


class StreamAuthenticator:
    """Opens sessions for upgrade requests. Each must be signed like a REST request, for public channels too."""

    def __init__(self, hub: StreamHub, authenticator: Authenticator) -> None:
        self._hub = hub
        self._authenticator = authenticator

    def open_session(self, request: Request, wake: Callable[[], None]) -> FrameSession | tuple[int, bytes]:
        """Open a session, or return the status and JSON body of the rejection."""
        path = request.path.partition("?")[0]
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        try:
            if path != PATH:
                raise not_found()
            account = self._authenticator.account_of(headers, "GET", path, self._hub.signed_us())
            self._authenticator.check_scope(headers, "the WebSocket", ("read",))
        except WireError as error:
            return error.status, msgspec.json.encode(error.body)
        return self._hub.open_session(account, wake, self._authenticator.locked_of(headers))
