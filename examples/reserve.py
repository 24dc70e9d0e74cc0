"""Reserve cash for orders on the in-memory ledger, which applies the same rules as the one in Redis."""

from __future__ import annotations

import asyncio

from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.verbs import Acknowledge, OpenAccount, Reserve, SettleFill
from truebook.messages.envelope import BookSide
from truebook.money import format_micros

NOW_US = 1_764_000_000_000_000


def bid(order_id: str, ticker: str, price_cc: int, contracts: int) -> Reserve:
    return Reserve(
        order_id=order_id, nonce=order_id, ticker=ticker, event=ticker, exclusive=False, book_side=BookSide.BID,
        price_cc=price_cc, size_centi=contracts * 100, reduce_only=False, fee_rate_ppm=70_000,
        deadline_us=NOW_US + 5_000_000, now_us=NOW_US, partition=0, epoch=0,
    )  # fmt: skip


async def main() -> None:
    ledger = MemoryStore()
    await ledger.apply(OpenAccount(balance_micros=100_000_000))  # $100
    print(await ledger.apply(bid("one", "RAIN", 4_600, 100)))  # 100 × $0.46 + worst fee $1.74
    await show(ledger)
    print(await ledger.apply(bid("two", "SNOW", 7_000, 100)))  # not enough cash left
    await ledger.apply(Acknowledge(
        order_id="one", exchange_order_id="x1", ticker="RAIN", filled_centi=0, remaining_centi=10_000,
    ))  # fmt: skip
    await ledger.apply(SettleFill(
        trade_id="t1", order_id="x1", ticker="RAIN", book_side=BookSide.BID, price_cc=4_600, size_centi=4_000,
        fee_micros=0,
    ))  # fmt: skip
    await show(ledger)


async def show(ledger: MemoryStore) -> None:
    account = (await ledger.view()).account
    print(f"cash ${format_micros(account.cash_micros)}, reserved ${format_micros(account.reserved_micros)}")


if __name__ == "__main__":
    asyncio.run(main())
