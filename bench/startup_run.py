"""``truebook`` as ``bench/startup.py`` runs it: writes when the first book and the first order's outcome are published.

Arguments: the file for these times, the monotonic time of the command, then the command's own.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from truebook.bus.memory.bus import MemoryBus
from truebook.messages.orders import OrderOutcome
from truebook.messages.topics import ORDERBOOK, ORDERS, Topic
from truebook_services.cli.__main__ import main

ACKNOWLEDGED = f'"{OrderOutcome.ACKNOWLEDGED}"'.encode()


class Marks:
    """The seconds from the command to the first record of each kind, and the process's CPU seconds until then."""

    def __init__(self, file: Path, began_s: float) -> None:
        self._file = file
        self._began_s = began_s
        self._found: dict[str, tuple[float, float]] = {}

    def look(self, topic: Topic, values: Sequence[bytes]) -> None:
        if topic is ORDERBOOK and "book" not in self._found:
            self._mark("book")
        elif topic is ORDERS and "order" not in self._found and any(ACKNOWLEDGED in value for value in values):
            self._mark("order")
            self._file.write_text(json.dumps(self._found), encoding="ascii")

    def _mark(self, name: str) -> None:
        self._found[name] = (time.monotonic() - self._began_s, time.process_time())


def run() -> None:
    marks = Marks(Path(sys.argv[1]), float(sys.argv[2]))
    publish, publish_many = MemoryBus.publish, MemoryBus.publish_many

    async def marked(self: MemoryBus, topic: Topic, key: str, value: bytes) -> None:
        marks.look(topic, (value,))
        await publish(self, topic, key, value)

    async def marked_many(self: MemoryBus, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        marks.look(topic, [value for _, value in records])
        await publish_many(self, topic, records)

    MemoryBus.publish, MemoryBus.publish_many = marked, marked_many  # type: ignore[method-assign]
    sys.argv[1:] = sys.argv[3:]
    main()


if __name__ == "__main__":
    run()
