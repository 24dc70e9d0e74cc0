"""The counters of a run that never ends are bounded."""

from __future__ import annotations

import msgspec
import pytest

from support.consumer_harness import make_context, running, until
from support.samples import samples
from truebook.bus.memory.bus import MemoryBus
from truebook.bus.memory.log import Collapse
from truebook.messages.codec import encode
from truebook.messages.market_metadata import MarketStatus
from truebook.messages.markets import MarketUpdated
from truebook.messages.orderbook import BookDelta, BookSnapshot
from truebook.messages.topics import ORDERBOOK
from truebook_services.operator import statistics as module
from truebook_services.operator.statistics import Statistics


def test_books_of_closed_markets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CLOSED", 3)
    statistics = Statistics()
    update, snapshot = samples()["markets.market_updated"], samples()["orderbook.book_snapshot"]
    assert isinstance(update, MarketUpdated) and isinstance(snapshot, BookSnapshot)
    for number in range(10):
        ticker = f"M{number}"
        statistics.count(msgspec.structs.replace(snapshot, ticker=ticker))
        metadata = msgspec.structs.replace(update.metadata, ticker=ticker, status=MarketStatus.CLOSED)
        statistics.count(msgspec.structs.replace(update, ticker=ticker, metadata=metadata))
    assert list(statistics.books) == list(statistics.closed) == ["M7", "M8", "M9"]
    assert len(statistics.books) + statistics.dropped_markets == 10


async def test_messages_that_were_replaced_before_they_were_read_are_counted() -> None:
    bus, statistics = MemoryBus(partitions=1, policies={ORDERBOOK.name: Collapse(keep=4)}), Statistics()
    delta = samples()["orderbook.book_delta"]
    assert isinstance(delta, BookDelta)
    consumer = statistics.consumer(make_context(bus))
    async with running(consumer):
        await until(lambda: consumer.not_ready() is None)
        sent = [(delta.ticker, encode(msgspec.structs.replace(delta, id=str(number)))) for number in range(100)]
        await bus.publish_many(ORDERBOOK, sent)
        await until(lambda: statistics.counts.total() >= len(sent))
    counts = statistics.counts
    assert counts["skipped_messages"] > 0
    assert counts["deltas"] + counts["skipped_messages"] == len(sent)
