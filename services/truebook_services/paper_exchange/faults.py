"""Injects faults into responses, lists and frames; the engine and its journal are not affected.

| kind | effect |
|---|---|
| ``lost_ack`` | an order is executed, then its connection is reset without a response |
| ``late_ack``, ``early_fill`` | the response to an order is delayed |
| ``duplicated_request`` | an order is executed twice; the second response is sent |
| ``ok_ack``, ``failed_ack`` | an executed order is responded to by 200, or by 502 |
| ``shard_refusal``, ``bad_requests``, ``server_errors``, ``rate_limited`` | a request is refused and not executed |
| ``stale_reads``, ``cancelled_listed`` | the account's lists have an earlier state |
| ``clock_skew`` | ``Date`` and the check of signatures are ahead |
| ``drop_socket`` | every WebSocket is reset without a closing handshake |
| ``mute_socket`` | nothing is sent on WebSockets; frames of that time are lost |
| ``sequence_gap`` | an ``orderbook_delta`` is withheld together with its sequence number |
| ``sequence_restart`` | an ``orderbook_delta`` is withheld, and the next frame's sequence number is 1 |
| ``sequence_repeat`` | an ``orderbook_delta`` is sent twice |
| ``late_fill`` | a fill is visible late, on the WebSocket and by REST; the data timestamp stays before it |
| ``doubled_fill`` | a fill's frame is sent twice |

Faults of markets are commands to the engine: ``market_faults``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from truebook.simulation.events import Filled, SimulationEvent
from truebook.simulation.faults import FaultKind, FaultSchedule
from truebook.simulation.venue.accounts import Position
from truebook.simulation.venue.queries import VenueQueries
from truebook.venue.account import ExchangeOrder, OrderStatus
from truebook_services.paper_exchange.errors import WireError, nested, too_many_requests
from truebook_services.paper_exchange.listed import ListedState, fill_key

LATE_ACK_US: Final = 6_000_000
EARLY_FILL_US: Final = 400_000
CANCELLED_LISTED_US: Final = 5_000_000
SKEW_US: Final = 90_000_000
"""Beyond the age at which a signature expires."""
CREATES: Final = frozenset({"CreateOrderV2", "BatchCreateOrdersV2"})
_STREAM: Final = (FaultKind.SEQUENCE_RESTART, FaultKind.SEQUENCE_GAP, FaultKind.SEQUENCE_REPEAT)


class Injected(NamedTuple):
    """A fault that happened: when, and to which request or frame."""

    at_us: int
    kind: FaultKind
    subject: str


class AckFault(NamedTuple):
    """How the response to an executed order is changed."""

    kinds: tuple[FaultKind, ...] = ()
    delay_us: int = 0


class FaultInjector:
    """Counts the occasions of each kind and decides when a fault is due."""

    def __init__(
        self, schedule: FaultSchedule, late_fill_delay_us: int, now_us: Callable[[], int], listed: ListedState
    ) -> None:
        self.schedule = schedule
        self.listed = listed
        self.on_injected: Callable[[Injected], None] | None = None
        """Called for each fault that happens."""
        self.happened: dict[FaultKind, tuple[int, int]] = {}
        """How often each kind has happened, and when it did last."""
        self.last_refusal: FaultKind | None = None
        """Why the last request was refused; None if it was not."""
        self._late_fill_delay_us = late_fill_delay_us
        self._now_us = now_us
        self._counts = dict.fromkeys(FaultKind, 0)
        self._late: list[tuple[int, Filled]] = []

    def _due(self, kind: FaultKind, subject: str = "") -> bool:
        self._counts[kind] += 1
        if self.schedule.is_empty:
            return False
        is_due = self.schedule.due(kind, self._now_us(), self._counts[kind])
        if is_due:
            self.report(kind, subject)
        return is_due

    def report(self, kind: FaultKind, subject: str = "") -> None:
        """Note that a fault happened."""
        self.happened[kind] = (self.happened.get(kind, (0, 0))[0] + 1, self._now_us())
        if self.on_injected is not None:
            self.on_injected(Injected(self._now_us(), kind, subject))

    # Requests.

    def refuse(self, operation: str, account: str) -> None:
        """Raise the ``WireError`` of a request that is refused before it is executed; see ``last_refusal``."""
        self.last_refusal = None
        if self._refuses(FaultKind.SERVER_ERRORS, operation):
            if self._counts[FaultKind.SERVER_ERRORS] % 2:
                raise WireError(503, {"error": {"code": "service_unavailable", "message": "service unavailable"}})
            raise nested(500, "internal_server_error")
        if not account:
            return
        if self._refuses(FaultKind.RATE_LIMITED, operation):
            raise too_many_requests()
        if self._refuses(FaultKind.BAD_REQUESTS, operation):
            raise nested(400, "invalid_parameters")
        if operation in CREATES and self._refuses(FaultKind.SHARD_REFUSAL, operation):
            raise nested(400, f"user_not_found: {account}")

    def _refuses(self, kind: FaultKind, operation: str) -> bool:
        is_due = self._due(kind, operation)
        if is_due:
            self.last_refusal = kind
        return is_due

    def loses_ack(self) -> bool:
        """Return whether the response to this create is to be lost."""
        return self._due(FaultKind.LOST_ACK)

    def duplicates(self, operation: str) -> bool:
        """Return whether to execute this request a second time."""
        return operation in CREATES and self._due(FaultKind.DUPLICATED_REQUEST)

    def ack_fault(self, has_traded: bool) -> AckFault:
        """Return how to change the response to an order that was executed."""
        kinds = [kind for kind in (FaultKind.LATE_ACK, FaultKind.OK_ACK, FaultKind.FAILED_ACK) if self._due(kind)]
        delay_us = LATE_ACK_US if FaultKind.LATE_ACK in kinds else 0
        if has_traded and self._due(FaultKind.EARLY_FILL):
            kinds.append(FaultKind.EARLY_FILL)
            delay_us = max(delay_us, EARLY_FILL_US)
        return AckFault(tuple(kinds), delay_us)

    def skew_us(self) -> int:
        """Return how far the exchange's clock is ahead of its time."""
        return SKEW_US if self.schedule.active(FaultKind.CLOCK_SKEW, self._now_us()) else 0

    # Frames.

    def delta_fault(self) -> FaultKind | None:
        """Return what to do to the next ``orderbook_delta``, if anything."""
        due = [kind for kind in _STREAM if self._due(kind)]
        return due[0] if due else None

    def drops_sockets(self, frames: int) -> bool:
        """Return whether to reset the sockets, after ``frames`` more frames or at a scheduled time."""
        timed_us = self.schedule.next_due_us(FaultKind.DROP_SOCKET)
        if timed_us is not None and self._now_us() >= timed_us:
            return self._due(FaultKind.DROP_SOCKET)
        return any(self._due(FaultKind.DROP_SOCKET) for _ in range(frames))

    def is_mute(self) -> bool:
        """Return whether nothing is to be sent on WebSockets."""
        return self.schedule.active(FaultKind.MUTE_SOCKET, self._now_us())

    def doubles_fill(self, event: SimulationEvent) -> bool:
        return isinstance(event, Filled) and self._due(FaultKind.DOUBLED_FILL, event.fill.exchange_order_id)

    def delayed(self, events: Sequence[SimulationEvent]) -> list[SimulationEvent]:
        """Remove late fills from a tick's events, and add those whose delay has passed."""
        now_us = self._now_us()
        visible: list[SimulationEvent] = [fill for due_us, fill in self._late if due_us <= now_us]
        self._late = [(due_us, fill) for due_us, fill in self._late if due_us > now_us]
        for event in events:
            if isinstance(event, Filled) and self._due(FaultKind.LATE_FILL, event.fill.exchange_order_id):
                self._late.append((now_us + self._late_fill_delay_us, event))
            else:
                visible.append(event)
        return visible

    # Lists.

    def follow(self, events: Sequence[SimulationEvent], queries: VenueQueries) -> None:
        """Take the events of a tick into what the lists show."""
        self.listed.record(events, queries, self._now_us(), self.cancelled_lag_us)
        self.listed.prune(self.shown_until_us())

    def shown_orders(
        self, account: str, listed: Sequence[ExchangeOrder], status: OrderStatus | None
    ) -> Sequence[ExchangeOrder]:
        """Return an account's orders as its lists show them; ``listed`` are the engine's of that status."""
        return self.listed.orders(account, listed, self.shown_until_us(), status)

    def shown_position(self, account: str, ticker: str, held: Position | None) -> Position | None:
        """Return a position as the lists show it; ``held`` is the engine's."""
        return self.listed.position(account, ticker, held, self.shown_until_us())

    def shown_until_us(self) -> int:
        """Return the time whose state the lists show."""
        now_us = self._now_us()
        began_us = self.schedule.began_us(FaultKind.STALE_READS, now_us)
        return now_us if began_us is None else began_us

    def cancelled_lag_us(self) -> int:
        """Return how long the next cancelled order is still listed."""
        return CANCELLED_LISTED_US if self._due(FaultKind.CANCELLED_LISTED) else 0

    def hidden_fills(self) -> frozenset[str]:
        """Return the keys of the fills that are not visible yet."""
        late = frozenset(fill_key(event.fill) for _, event in self._late)
        return late | self.listed.hidden_fills(self.shown_until_us())

    def visible_until_us(self, reached_us: int) -> int:
        """Return the time up to which every event is visible."""
        shown_us = self.shown_until_us()
        oldest_us = self.listed.oldest_hidden_us(shown_us)
        hidden_us = [] if oldest_us is None else [oldest_us - 1]
        if shown_us < self._now_us():
            hidden_us.append(shown_us)
        return min([reached_us, *hidden_us, *(event.at_us - 1 for _, event in self._late)])
