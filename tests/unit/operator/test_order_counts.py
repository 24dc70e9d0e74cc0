"""The outcomes of a run's orders are those of the ledger's journal, whatever messages were lost."""

from __future__ import annotations

import asyncio

from support.account_harness import AccountHarness
from support.ledger_verbs import a_reserve, opened
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import JournalEntry
from truebook.ledger.verbs import RESERVED, Acknowledge, Close, MarkUnknown
from truebook_services.operator.order_counts import OrderCounts
from truebook_services.operator.statistics import Statistics
from truebook_services.operator.status import RunInfo, status_of

INFO = RunInfo(seconds=1.0, at_us=5, market_data="simulated")


async def test_outcomes_of_orders_are_read_from_the_journal() -> None:
    async with AccountHarness() as rig:
        await rig.open()
        await rig.place(price_cc=100)
        before = await rig.view()
        ids: list[tuple[str, str]] = []
        for number in range(5):
            rig.exchange.add_market(f"M{number}")
            ids.append(await rig.place(price_cc=4000, ticker=f"M{number}"))
        filled, cancelled, rejected, unknown, lost = ids
        await rig.ledger.apply(acknowledge(*filled))
        await rig.ledger.apply(acknowledge(*filled))
        await rig.ledger.apply(Close(order_id=filled[0], exchange_order_id=filled[1], filled_centi=1000))
        await rig.ledger.apply(acknowledge(*cancelled))
        await rig.ledger.apply(Close(order_id=cancelled[0], exchange_order_id=cancelled[1], filled_centi=300))
        await rig.ledger.apply(Close(order_id=rejected[0], exchange_order_id=None, filled_centi=0))
        await rig.ledger.apply(MarkUnknown(order_id=unknown[0]))
        await rig.ledger.apply(MarkUnknown(order_id=lost[0]))
        await rig.ledger.apply(acknowledge(*unknown))
        counts = OrderCounts(before.account.ledger_seq)
        await counts.read(rig.ledger)
        await counts.read(rig.ledger)
        orders = status_of(Statistics(), await rig.view(), {}, None, INFO, before=before, order_counts=counts).orders
        assert (orders.sent, orders.acknowledged, orders.rejected) == (5, 2, 1)
        assert (orders.unknown, orders.resolved, orders.cancelled) == (2, 1, 1)


class SlowJournal(MemoryStore):
    """A ledger whose journal lets other tasks run before it returns."""

    async def journal(self, after_seq: int = 0, limit: int = 1000) -> tuple[JournalEntry, ...]:
        await asyncio.sleep(0)
        return await super().journal(after_seq, limit)


async def test_concurrent_reads_count_each_entry_once() -> None:
    ledger, counts = SlowJournal(), OrderCounts(0)
    await opened(ledger)
    assert await ledger.apply(a_reserve("a")) == RESERVED
    await asyncio.gather(counts.read(ledger), counts.read(ledger))
    assert (counts.counts["sent"], counts.is_complete) == (1, True)


async def test_a_trimmed_journal_gives_no_counts() -> None:
    async with AccountHarness() as rig:
        await rig.open()
        before = await rig.view()
        await rig.place()
        await rig.ledger.trim_journal((await rig.view()).account.ledger_seq)
        rig.exchange.add_market("N")
        await rig.place(ticker="N")
        counts = OrderCounts(before.account.ledger_seq)
        await counts.read(rig.ledger)
        assert not counts.is_complete


def acknowledge(order_id: str, exchange_order_id: str) -> Acknowledge:
    return Acknowledge(
        order_id=order_id, exchange_order_id=exchange_order_id, ticker="M", filled_centi=0, remaining_centi=1000
    )
