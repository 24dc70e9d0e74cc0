"""Ingest while the exchange refuses its reads."""

from __future__ import annotations

from support.ingest_harness import IngestHarness
from support.services import until
from truebook.kalshi.port import Refused
from truebook.messages.envelope import BookSide


async def test_a_refused_list_of_markets_does_not_end_ingest() -> None:
    async with IngestHarness() as harness:
        exchange = harness.exchange
        exchange.fail("markets", *(Refused(400, "invalid_parameters") for _ in range(3)))
        before = exchange.count("markets")
        await until(lambda: exchange.count("markets") >= before + 6, "the list is read again")
        exchange.change_level("E-1", BookSide.BID, 4_000, 100)
        await harness.reader.until(lambda: harness.is_true("E-1"), "the book is followed")
