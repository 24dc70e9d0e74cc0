"""Injects scheduled faults at the exchange's sockets; the engine and its journal are not affected.

| kind | effect |
|---|---|
| ``lost_ack`` | an order is executed, then its connection is reset without a response |
| ``drop_socket`` | every WebSocket is reset without a closing handshake |
| ``sequence_gap`` | an ``orderbook_delta`` is withheld together with its sequence number |
| ``sequence_restart`` | an ``orderbook_delta`` is withheld, and the next frame's sequence number is 1 |
| ``late_fill`` | a fill is visible late, on the WebSocket and by REST; the data timestamp stays before it |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from truebook.simulation.events import Filled, SimulationEvent
from truebook.simulation.faults import FaultKind, FaultSchedule
from truebook.venue.account import ExchangeFill


class ResponseLost(Exception):
    """The response to an executed request is withheld by a fault."""


def fill_key(fill: ExchangeFill) -> str:
    """Return the identity of a fill: one trade may fill two orders of one account."""
    return f"{fill.trade_id}/{fill.exchange_order_id}"


class FaultInjector:
    """Counts the occasions of each kind and decides when a fault is due."""

    def __init__(self, schedule: FaultSchedule, late_fill_delay_us: int, now_us: Callable[[], int]) -> None:
        self._schedule = schedule
        self._late_fill_delay_us = late_fill_delay_us
        self._now_us = now_us
        self._counts = dict.fromkeys(FaultKind, 0)
        self._late: list[tuple[int, Filled]] = []

    def _due(self, kind: FaultKind) -> bool:
        self._counts[kind] += 1
        return self._schedule.due(kind, self._now_us(), self._counts[kind])

    def lose_create_ack(self) -> None:
        """Raise ``ResponseLost`` if the response to this create is to be lost."""
        if self._due(FaultKind.LOST_ACK):
            raise ResponseLost

    def delta_fault(self) -> FaultKind | None:
        """Return why to withhold the next ``orderbook_delta``, if it is to be withheld."""
        is_gap, is_restart = self._due(FaultKind.SEQUENCE_GAP), self._due(FaultKind.SEQUENCE_RESTART)
        if is_restart:
            return FaultKind.SEQUENCE_RESTART
        return FaultKind.SEQUENCE_GAP if is_gap else None

    def drops_sockets(self, frames: int) -> bool:
        """Return whether to reset the sockets, after ``frames`` more frames or at a scheduled time."""
        timed_us = self._schedule.next_due_us(FaultKind.DROP_SOCKET)
        if timed_us is not None and self._now_us() >= timed_us:
            return self._due(FaultKind.DROP_SOCKET)
        return any(self._due(FaultKind.DROP_SOCKET) for _ in range(frames))

    def delayed(self, events: Sequence[SimulationEvent]) -> list[SimulationEvent]:
        """Remove late fills from a tick's events, and add those whose delay has passed."""
        now_us = self._now_us()
        visible: list[SimulationEvent] = [fill for due_us, fill in self._late if due_us <= now_us]
        self._late = [(due_us, fill) for due_us, fill in self._late if due_us > now_us]
        for event in events:
            if isinstance(event, Filled) and self._due(FaultKind.LATE_FILL):
                self._late.append((now_us + self._late_fill_delay_us, event))
            else:
                visible.append(event)
        return visible

    def hidden_fills(self) -> frozenset[str]:
        """Return the keys of the fills that are not visible yet."""
        return frozenset(fill_key(event.fill) for _, event in self._late)

    def visible_until_us(self, reached_us: int) -> int:
        """Return the time up to which every event is visible."""
        return min([reached_us, *(event.at_us - 1 for _, event in self._late)])
