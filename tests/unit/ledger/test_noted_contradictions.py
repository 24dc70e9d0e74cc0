"""A contradiction is noted under the digest of its content: the same one in every version, whatever is not content."""

from __future__ import annotations

import pytest

from truebook.clock import ManualClock
from truebook.ledger.exchange_reports import HALTED_FOR, record_fill, record_settlement
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.verbs import OpenAccount
from truebook.messages.envelope import BookSide
from truebook.venue.account import ExchangeFill

NOTED = {HALTED_FOR + "a4ad9778399a6397695be1cb8e7cc680", HALTED_FOR + "dcca7e69d4477e381700593b3a6a61ef"}
"""As the version noted them that recorded no times: a fill of another size, another settlement value."""


@pytest.mark.parametrize("created_us", [0, 5_000])
async def test_a_contradiction_has_the_digest_of_earlier_versions(created_us: int) -> None:
    ledger, clock = MemoryStore(), ManualClock()
    await ledger.apply(OpenAccount(balance_micros=10_000_000))
    results = [
        await record_fill(
            ledger, clock,
            ExchangeFill(
                trade_id="t", exchange_order_id="x", ticker="M", book_side=BookSide.BID, price_cc=4_000,
                size_centi=size_centi, fee_micros=7, is_taker=True, created_us=created_us,
            ),
            opened_us=0,
        )
        for size_centi in (100, 200, 200)
    ]  # fmt: skip
    assert results == ["parked", "conflict", "contradicts"]
    results = [await record_settlement(ledger, clock, "M", settlement_cc) for settlement_cc in (5_000, 6_000, 6_000)]
    assert results == ["settled", "conflict", "contradicts"]
    assert set(ledger.ledger.state.watermarks) == NOTED
