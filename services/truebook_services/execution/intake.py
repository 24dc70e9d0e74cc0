"""What execution reads from the bus: facts and books are learnt at once, actions are handed to the dispatcher."""

from __future__ import annotations

from collections.abc import Sequence

from truebook.messages.actions import Action, Unmentioned
from truebook.messages.markets import Market
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade
from truebook.messages.reasons import Reason
from truebook.runtime.frames import Incoming
from truebook_services.execution.books import Books
from truebook_services.execution.dispatcher import Dispatcher, Job
from truebook_services.execution.reports import Reports


class Intake:
    """The consumer's handler; it never waits for the exchange or the ledger."""

    def __init__(self, books: Books, dispatcher: Dispatcher, reports: Reports) -> None:
        self._books = books
        self._dispatcher = dispatcher
        self._reports = reports

    async def take(self, batch: Sequence[Incoming]) -> None:
        """Handle one poll: all books first, so that each action is judged by the newest of them."""
        actions: list[Incoming] = []
        for incoming in batch:
            match incoming.message:
                case Action():
                    actions.append(incoming)
                    continue
                case Market() as market:
                    self._books.learn(market)
                case BookSnapshot() | BookDelta() | BookStale() | PublicTrade() as news:
                    self._books.apply(news)
                case _:
                    pass
            incoming.done()
        for incoming in actions:
            await self._offer(incoming)

    async def _offer(self, incoming: Incoming) -> None:
        action = incoming.message
        if not isinstance(action, Action):
            return
        if _asks_for_nothing(action):
            # Most decisions are to hold: they must not read the ledger and stand in line before those that do a thing.
            superseded = self._dispatcher.withdraw(action.ticker)
            incoming.done()
        else:
            superseded = self._dispatcher.offer(Job(action, incoming.record.partition, incoming.done))
        if superseded is not None:
            await self._reports.refuse(superseded.action, superseded.action.targets, Reason.SUPERSEDED)
            superseded.done()


def _asks_for_nothing(action: Action) -> bool:
    """A hold: what works goes on, nothing new is wanted."""
    return not action.targets and action.unmentioned is Unmentioned.KEEP
