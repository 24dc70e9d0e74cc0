"""A bus that refuses the first batch, and keeps the messages of the others, all on the topic ``refusals``."""

from __future__ import annotations

from typing import Generic, TypeVar

from truebook.bus.port import BusError
from truebook.messages.codec import decode
from truebook.messages.envelope import Message
from truebook.messages.topics import REFUSALS, Topic

Counted = TypeVar("Counted", bound=Message)


class FailingBus(Generic[Counted]):
    """Expects messages of one type, each with its market as the key."""

    def __init__(self, kind: type[Counted]) -> None:
        self.kind = kind
        self.failures = 1
        self.published: list[Counted] = []

    async def publish_many(self, topic: Topic, batch: list[tuple[str, bytes]]) -> None:
        if self.failures:
            self.failures -= 1
            raise BusError("no broker")
        for key, raw in batch:
            message = decode(topic, raw)
            assert isinstance(message, self.kind)
            assert (topic, key) == (REFUSALS, message.ticker)
            self.published.append(message)
