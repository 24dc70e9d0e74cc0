"""The feed of events: what an operator would want to have noticed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from truebook.live.system_views import AccountState, ServiceState
from truebook.live.views import Event, EventKind, OwnFill
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.fills import MarketSettled
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.services import ServiceReported
from truebook.money import format_price, format_size

MAX_EVENTS: Final = 500
_ORDERS: Final = {
    OrderOutcome.REJECTED: "order refused by the exchange",
    OrderOutcome.UNKNOWN: "outcome of an order unknown",
    OrderOutcome.RESOLVED: "outcome of an order found",
}
_STATES: Final = {
    ServiceState.WORKS: "works",
    ServiceState.STANDBY: "is a standby",
    ServiceState.NOT_READY: "can't work",
    ServiceState.STOPPED: "was stopped",
    ServiceState.SILENT: "does not report any more",
}


class Feed:
    """The newest events, each with the number of the version that has it."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, Event]] = deque(maxlen=MAX_EVENTS)
        self._number = 0

    def since(self, version: int) -> tuple[Event, ...]:
        """Return the events after a version, oldest first."""
        found: list[Event] = []
        for at_version, event in reversed(self._events):
            if at_version <= version:
                break
            found.append(event)
        return tuple(reversed(found))

    def add(
        self, version: int, at_us: int, kind: EventKind, text: str, *, ticker: str | None = None,
        action_id: str | None = None, is_problem: bool = False,
    ) -> None:  # fmt: skip
        self._number += 1
        event = Event(
            number=self._number, at_us=at_us, kind=kind, text=text, ticker=ticker, action_id=action_id,
            is_problem=is_problem,
        )  # fmt: skip
        self._events.append((version, event))

    def order(self, version: int, event: OrderEvent) -> None:
        """Add an order's event if it is one of the rare ones."""
        text = _ORDERS.get(event.outcome)
        if text is None:
            return
        terms = _terms(event.book_side, event.size_centi, event.price_cc)
        detail = f": {event.detail[:100]}" if event.detail else ""
        self.add(
            version, event.produced_us, EventKind.ORDER, f"{text}: {terms}{detail}", ticker=event.ticker,
            action_id=event.action_id or None, is_problem=event.outcome is not OrderOutcome.RESOLVED,
        )  # fmt: skip

    def fill(self, version: int, fill: OwnFill) -> None:
        text = f"filled {_terms(fill.book_side, fill.size_centi, fill.price_cc)}"
        self.add(version, fill.at_us, EventKind.FILL, text, ticker=fill.ticker, action_id=fill.action_id)

    def settlement(self, version: int, settled: MarketSettled) -> None:
        text = f"settled at {format_price(settled.settlement_cc)}"
        self.add(version, settled.produced_us, EventKind.SETTLEMENT, text, ticker=settled.ticker)

    def dead_letter(self, version: int, letter: DeadLetter) -> None:
        text = f"unusable record of {letter.origin} in {letter.service}: {letter.reason}"
        self.add(version, letter.produced_us, EventKind.DEAD_LETTER, text, is_problem=True)

    def service(self, version: int, report: ServiceReported, state: ServiceState, at_us: int) -> None:
        reason = f": {report.not_ready[0][:200]}" if state is ServiceState.NOT_READY and report.not_ready else ""
        is_problem = state in (ServiceState.NOT_READY, ServiceState.SILENT)
        text = f"{report.service} {_STATES[state]}{reason}"
        self.add(version, at_us, EventKind.SERVICE, text, is_problem=is_problem)

    def account(self, version: int, before: AccountState | None, now: AccountState) -> None:
        """Add what changed of holds and discrepancies since the report before."""
        if before is None:
            return
        for text, is_problem in _changes_of("trading hold", before.holds, now.holds):
            self.add(version, now.at_us, EventKind.HOLD, text, is_problem=is_problem)
        if now.differences is not None:
            for text, is_problem in _changes_of("discrepancy", before.differences or (), now.differences):
                self.add(version, now.at_us, EventKind.DISCREPANCY, text, is_problem=is_problem)


def _changes_of(what: str, before: tuple[str, ...], now: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    for each in now:
        if each not in before:
            yield f"{what}: {each}", True
    for each in before:
        if each not in now:
            yield f"no {what} any more: {each}", False


def _terms(side: object, size_centi: int, price_cc: int) -> str:
    return f"{side or '-'} {format_size(size_centi)} @ {format_price(price_cc)}"
