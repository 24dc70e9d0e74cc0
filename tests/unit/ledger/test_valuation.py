"""The account's values: what a position cost, what it would sell for, and that both add up to the equity."""

from __future__ import annotations

from typing import Any

import pytest

from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.valuation import Levels, account_values, sale_value
from truebook.ledger.verbs import Acknowledge, OpenAccount, Reserve, SettleFill
from truebook.messages.envelope import BookSide

DEPOSIT = 1_000_000_000
BIDS: Levels = ((4_500, 600), (4_400, 1_000))
ASKS: Levels = ((5_500, 600), (5_600, 1_000))


async def holding(side: BookSide, price_cc: int, size_centi: int = 1_000) -> MemoryStore:
    """Return a ledger with one filled order in the market ``M``."""
    ledger = MemoryStore()
    await ledger.apply(OpenAccount(balance_micros=DEPOSIT))
    order: dict[str, Any] = {"ticker": "M", "book_side": side, "price_cc": price_cc, "size_centi": size_centi}
    result = await ledger.apply(
        Reserve(
            order_id="o", nonce="n", event="E", exclusive=False, reduce_only=False, fee_rate_ppm=0, deadline_us=10,
            now_us=1, partition=0, epoch=0, **order,
        )
    )  # fmt: skip
    assert str(result) == "reserved"
    await ledger.apply(
        Acknowledge(order_id="o", exchange_order_id="x", ticker="M", filled_centi=size_centi, remaining_centi=0)
    )
    await ledger.apply(SettleFill(trade_id="t", order_id="x", fee_micros=50_000, **order))
    return ledger


@pytest.mark.parametrize(
    ("position_centi", "expected"),
    [(500, (2_250_000, 0)), (1_000, (4_460_000, 0)), (2_000, (7_100_000, 400)), (-1_000, (4_460_000, 0)), (0, (0, 0))],
)
def test_a_position_is_sold_level_by_level(position_centi: int, expected: tuple[int, int]) -> None:
    assert sale_value(position_centi, BIDS, ASKS) == expected


@pytest.mark.parametrize("side", [BookSide.BID, BookSide.ASK])
async def test_equity_is_deposits_and_profit_less_fees(side: BookSide) -> None:
    values = account_values(await (await holding(side, 5_000)).view(), {"M": (BIDS, ASKS)})
    assert (values.position_cost_micros, values.unrealized_micros) == (5_000_000, 4_460_000 - 5_000_000)
    assert values.unrealized_micros is not None
    assert values.equity_micros == DEPOSIT + values.realized_micros + values.unrealized_micros - values.fees_micros


async def test_an_empty_book_has_no_buyers() -> None:
    values = account_values(await (await holding(BookSide.BID, 5_000)).view(), {"M": ((), ())})
    assert (values.unrealized_micros, values.unsaleable_centi, values.unvalued_markets) == (-5_000_000, 1_000, ())


async def test_a_position_without_a_book_has_no_value_and_is_listed() -> None:
    values = account_values(await (await holding(BookSide.BID, 5_000)).view(), {"OTHER": (BIDS, ASKS)})
    assert (values.unrealized_micros, values.equity_micros, values.unvalued_markets) == (None, None, ("M",))


async def test_without_any_book_the_value_of_a_position_is_unknown() -> None:
    ledger = MemoryStore()
    await ledger.apply(OpenAccount(balance_micros=DEPOSIT))
    assert account_values(await ledger.view(), None).equity_micros == DEPOSIT
    values = account_values(await (await holding(BookSide.BID, 5_000)).view(), None)
    assert (values.unrealized_micros, values.unsaleable_centi, values.equity_micros) == (None, None, None)
    assert values.position_cost_micros == 5_000_000
