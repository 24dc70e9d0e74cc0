"""How many orders of a run had which outcome, and its fills, from the ledger's journal: messages may be lost.

Every order that the ledger granted counts as sent: it is sent once, at once. Of these, each is acknowledged by the
exchange, rejected (it proved that it never had the order), or for a while unknown; so the three add up to the sent ones
when none is in flight.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from truebook.evidence.funnel import Counts, Event
from truebook.ledger.port import JournalEntry, LedgerStore
from truebook.ledger.rules.ledger import verb_of
from truebook.ledger.verbs import RESERVED, Acknowledge, Close, MarkUnknown, Reserve, SettleFill
from truebook.messages.fills import ReportOutcome

PAGE: Final = 1_000
NEW_FILLS: Final = frozenset({str(ReportOutcome.APPLIED), str(ReportOutcome.PARKED)})
EVENTS: Final = {
    "sent": (Event.SENT, ""),
    "acknowledged": (Event.ACKNOWLEDGED, ""),
    "rejected": (Event.NOT_ACCEPTED, "rejected"),
    "unknown": (Event.NOT_ACCEPTED, "unknown"),
}
"""How the funnel counts these outcomes."""


class _Order(msgspec.Struct):
    size_centi: int
    is_known: bool = False
    """The exchange has acknowledged or rejected it, or its outcome was unknown."""
    is_unknown: bool = False
    """Its outcome is unknown now."""


class OrderCounts:
    """Reads the journal from one entry on; ``counts`` are by outcome, ``fills`` are those that the ledger took."""

    def __init__(self, after_seq: int) -> None:
        self._seq = after_seq
        self._open: dict[str, _Order] = {}
        self.counts = dict.fromkeys(("sent", "acknowledged", "rejected", "cancelled", "unknown", "resolved"), 0)
        self.fills = 0
        self._by_time = Counts()
        self._read_us = 0
        self.is_complete = True
        """False once entries were gone before they could be read: then the counts are too low."""
        self._reading = asyncio.Lock()

    def by_time(self) -> Counts | None:
        """Return the counts for a funnel, by the time of the read that found them; None where they are incomplete."""
        return self._by_time if self.is_complete else None

    async def read(self, ledger: LedgerStore, now_us: int) -> None:
        """Count the entries since the last read; raises ``LedgerError``. Concurrent reads count no entry twice."""
        async with self._reading:
            self._read_us = now_us
            while entries := await ledger.journal(self._seq, PAGE):
                self.is_complete = self.is_complete and entries[0].seq == self._seq + 1
                for entry in entries:
                    self.add(entry)

    def add(self, entry: JournalEntry) -> None:
        """Count one entry of the journal."""
        self._seq = entry.seq
        if entry.verb == SettleFill.VERB and entry.result in NEW_FILLS:
            self.fills += 1
            self._by_time.add(self._read_us, Event.FILLED)
        if entry.verb not in (Reserve.VERB, Acknowledge.VERB, Close.VERB, MarkUnknown.VERB):
            return
        verb = verb_of(entry)
        if isinstance(verb, Reserve):
            if entry.result == str(RESERVED):
                self._count("sent")
                self._open[verb.order_id] = _Order(verb.size_centi)
            return
        order = self._open.get(getattr(verb, "order_id", ""))
        if order is None:
            return
        match verb:
            case MarkUnknown():
                self._know(order, "unknown")
                order.is_unknown = True
            case Acknowledge(filled_centi=filled_centi, remaining_centi=remaining_centi):
                self._report(order, "acknowledged")
                if remaining_centi == 0:
                    self._end(verb.order_id, filled_centi)
            case Close(exchange_order_id=exchange_order_id, filled_centi=filled_centi):
                self._report(order, "acknowledged" if exchange_order_id else "rejected")
                self._end(verb.order_id, filled_centi if exchange_order_id else order.size_centi)
            case _:
                pass

    def _count(self, outcome: str) -> None:
        self.counts[outcome] += 1
        self._by_time.add(self._read_us, *EVENTS[outcome])

    def _know(self, order: _Order, outcome: str) -> None:
        if not order.is_known:
            order.is_known = True
            self._count(outcome)

    def _report(self, order: _Order, outcome: str) -> None:
        self._know(order, outcome)
        if order.is_unknown:
            order.is_unknown = False
            self.counts["resolved"] += 1

    def _end(self, order_id: str, filled_centi: int) -> None:
        """Drop an order that has ended; one that did not fill completely was cancelled or has expired."""
        order = self._open.pop(order_id)
        if filled_centi < order.size_centi:
            self.counts["cancelled"] += 1
