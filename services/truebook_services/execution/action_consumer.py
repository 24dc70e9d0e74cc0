"""The consumer of execution: applies markets and states of books at once, hands actions to the dispatcher."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from truebook.decision.publication import is_nothing
from truebook.execution.book_states import BookStates
from truebook.messages.actions import Action
from truebook.messages.book_states import BookState
from truebook.messages.envelope import Tombstone
from truebook.messages.markets import MarketUpdated
from truebook.messages.reasons import Reason
from truebook.runtime.frames import Incoming
from truebook_services.execution.dispatcher import Dispatcher, Job
from truebook_services.execution.report_queue import ReportQueue
from truebook_services.execution.reports import Reports


class ActionConsumer:
    """Handles each poll; it never waits for the exchange, the ledger or the bus."""

    def __init__(self, states: BookStates, dispatcher: Dispatcher, reports: Reports, queue: ReportQueue) -> None:
        self._states = states
        self._dispatcher = dispatcher
        self._reports = reports
        self._queue = queue

    async def handle(self, batch: Sequence[Incoming]) -> None:
        """Handle one poll: all states first, so that each action is judged by the newest of them."""
        actions: list[tuple[Incoming, Action]] = []
        for incoming in batch:
            match incoming.message:
                case Action() as action:
                    actions.append((incoming, action))
                    continue
                case MarketUpdated() as market:
                    self._states.update_market(market)
                case BookState() as update:
                    self._states.apply(update)
                case Tombstone():
                    self._states.drop(incoming.record.key)
                case _:
                    pass
            incoming.done()
        for incoming, action in actions:
            self._offer(incoming, action)

    def _offer(self, incoming: Incoming, action: Action) -> None:
        if is_nothing(action):  # it needs no read of the ledger, and must not queue before the others
            superseded = self._dispatcher.withdraw(action.ticker)
            incoming.done()
        else:
            done = partial(self._queue.call_when_published, incoming.done)
            superseded = self._dispatcher.offer(Job(action, incoming.record.partition, done))
        if superseded is not None:
            self._reports.refuse(superseded.action, superseded.action.targets, Reason.SUPERSEDED)
            superseded.done()
