"""What ties a market update to its fill in the logs: the id of the message at the root of a cause chain.

Each message names only its immediate cause. ``Correlations`` remembers, for as many messages as it is bounded to, the
root of each one's chain; all services of a process share one. A message whose cause is not known here (it came from
another process) is correlated by that cause: the logs of the other process lead on from there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from truebook.messages.envelope import Message


class Correlations:
    """The roots of the newest ``most`` messages' cause chains."""

    def __init__(self, most: int = 65_536) -> None:
        self._most = most
        self._roots: OrderedDict[str, str] = OrderedDict()

    def root(self, message: Message) -> str:
        """Answer the id at the root of the message's chain, and remember it for what this message will cause.

        A message without a cause is not remembered: what names it as its cause finds the root in that name.
        """
        if not message.cause_id:
            return message.id
        root = self._roots.get(message.id)
        if root is None:
            root = self._roots.get(message.cause_id) or message.cause_id
            self._roots[message.id] = root
            if len(self._roots) > self._most:
                self._roots.popitem(last=False)
        return root

    @contextmanager
    def bound(self, message: Message) -> Iterator[None]:
        """Bind ``correlation`` to every log line written inside, by whatever part."""
        with structlog.contextvars.bound_contextvars(correlation=self.root(message)):
            yield
