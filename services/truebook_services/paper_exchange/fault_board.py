"""Faults on demand, by schedule, at the exchange's sockets. The engine and its journal know nothing of them.

| kind | what happens |
|---|---|
| ``lost_ack`` | an order is carried out, then its connection breaks without an answer |
| ``drop_socket`` | every WebSocket breaks without a closing handshake |
| ``sequence_gap`` | an ``orderbook_delta`` is withheld, and its sequence number with it |
| ``late_fill`` | a fill shows late, on the WebSocket and by REST; the data time-stamp waits for it |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from truebook.simulation.events import Filled, SimulationEvent
from truebook.simulation.faults import FaultKind, FaultSchedule
from truebook.venue.account import ExchangeFill


class LostAnswer(Exception):
    """The answer to a request that was carried out is withheld: a fault on demand."""


def fill_key(booked: ExchangeFill) -> str:
    """Name a fill: one trade may fill two orders of one account."""
    return f"{booked.trade_id}/{booked.exchange_order_id}"


class FaultBoard:
    """Counts the occasions of each kind and says when a fault is due."""

    def __init__(self, schedule: FaultSchedule, late_us: int, now_us: Callable[[], int]) -> None:
        self._schedule = schedule
        self._late_us = late_us
        self._now_us = now_us
        self._counts = dict.fromkeys(FaultKind, 0)
        self._late: list[tuple[int, Filled]] = []

    def _due(self, kind: FaultKind) -> bool:
        self._counts[kind] += 1
        return self._schedule.due(kind, self._now_us(), self._counts[kind])

    def acknowledging_create(self) -> None:
        """Raise ``LostAnswer`` where this acknowledgement is to be lost."""
        if self._due(FaultKind.LOST_ACK):
            raise LostAnswer

    def withholds_delta(self) -> bool:
        """Tell whether the next book frame is to be left out."""
        return self._due(FaultKind.SEQUENCE_GAP)

    def drops_sockets(self, frames: int) -> bool:
        """Tell whether the sockets are to break, after so many more frames or because it is time."""
        timed_us = self._schedule.next_due_us(FaultKind.DROP_SOCKET)
        if timed_us is not None and self._now_us() >= timed_us:
            return self._due(FaultKind.DROP_SOCKET)
        return any(self._due(FaultKind.DROP_SOCKET) for _ in range(frames))

    def delayed(self, events: Sequence[SimulationEvent]) -> list[SimulationEvent]:
        """Take late fills out of a turn's events, and add those whose time has come."""
        now_us = self._now_us()
        told: list[SimulationEvent] = [held for due_us, held in self._late if due_us <= now_us]
        self._late = [(due_us, held) for due_us, held in self._late if due_us > now_us]
        for event in events:
            if isinstance(event, Filled) and self._due(FaultKind.LATE_FILL):
                self._late.append((now_us + self._late_us, event))
            else:
                told.append(event)
        return told

    def hidden_fills(self) -> frozenset[str]:
        """Name the fills that are not visible yet."""
        return frozenset(fill_key(held.fill) for _, held in self._late)

    def visible_until_us(self, reached_us: int) -> int:
        """Give the time up to which all that happened is visible."""
        return min([reached_us, *(held.at_us - 1 for _, held in self._late)])
