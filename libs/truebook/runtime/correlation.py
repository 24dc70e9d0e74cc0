"""Correlate log lines by the id of the message at the root of a cause chain, from a market update to its fill.

Each message has only its immediate cause. ``Correlations`` keeps the root of the chain for a bounded number of
messages; all services of a process share one. A message whose cause is not known here (it is of
another process) is correlated by that cause, which the other process's logs contain.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from truebook.messages.envelope import Message


class Correlations:
    """The roots of the cause chains of the newest ``max_messages`` messages."""

    def __init__(self, max_messages: int = 65_536) -> None:
        self._max_messages = max_messages
        self._roots: OrderedDict[str, str] = OrderedDict()

    def root(self, message: Message) -> str:
        """Return the id at the root of the message's chain, and keep it for the messages that this one will cause.

        A message without a cause is not kept: for those that it causes, the cause is the root.
        """
        if not message.cause_id:
            return message.id
        root = self._roots.get(message.id)
        if root is None:
            root = self._roots.get(message.cause_id) or message.cause_id
            self._roots[message.id] = root
            if len(self._roots) > self._max_messages:
                self._roots.popitem(last=False)
        return root

    @contextmanager
    def bound(self, message: Message) -> Iterator[None]:
        """Bind ``correlation`` to every log line written inside."""
        with structlog.contextvars.bound_contextvars(correlation=self.root(message)):
            yield
