"""The outcomes of a run's orders are those of the ledger's journal, whatever messages were lost."""

from __future__ import annotations

import asyncio

import msgspec

from support.account_harness import AccountHarness
from support.ledger_verbs import a_fill, a_reserve, an_acknowledge, opened
from support.samples import NOW_US, samples
from truebook.evidence.recorder import Recorder
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import JournalEntry
from truebook.ledger.verbs import RESERVED, Acknowledge, Close, MarkUnknown
from truebook.messages.orders import OrderOutcome
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
        await counts.read(rig.ledger, INFO.at_us)
        await counts.read(rig.ledger, INFO.at_us)
        orders = status_of(Statistics(), await rig.view(), {}, None, INFO, before=before, order_counts=counts).orders
        assert (orders.sent, orders.acknowledged, orders.rejected) == (5, 2, 1)
        assert (orders.unknown, orders.resolved, orders.cancelled) == (2, 1, 1)


async def test_skipped_messages_do_not_change_summary_or_funnel() -> None:
    """An observer that is too slow for the bus misses messages; both have what the journal has."""
    ledger = MemoryStore()
    await opened(ledger)
    before = await ledger.view()
    for order_id in "abc":
        assert await ledger.apply(a_reserve(order_id, ticker=f"M{order_id}")) == RESERVED
    for verb in (
        an_acknowledge("a", ticker="Ma", remaining_centi=1000), a_fill(ticker="Ma"), a_fill(ticker="Ma"),
        Close(order_id="b", exchange_order_id=None, filled_centi=0), MarkUnknown(order_id="c"),
    ):  # fmt: skip
        await ledger.apply(verb)
    statistics, counts = Statistics(), OrderCounts(before.account.ledger_seq)
    statistics.skip(1_000)
    statistics.evidence.order_counts = counts.by_time
    await counts.read(ledger, INFO.at_us)
    status = status_of(statistics, await ledger.view(), {}, None, INFO, before=before, order_counts=counts)
    stages = {stage.name: stage for stage in statistics.evidence.funnel(INFO.at_us).stages}
    assert (status.orders.sent, status.orders.acknowledged, status.fills) == (3, 1, 1)
    assert [stages[name].count for name in ("sent", "acknowledged", "fills")] == [3, 1, 1]
    assert stages["acknowledged"].lost == {"rejected": 1, "unknown": 1}


async def test_messages_are_counted_where_the_journal_was_trimmed() -> None:
    recorder, counts = Recorder(), OrderCounts(0)
    recorder.order_counts = counts.by_time
    recorder.record(msgspec.structs.replace(samples()["orders.order_event"], outcome=OrderOutcome.SENT))
    assert {stage.name: stage.count for stage in recorder.funnel(NOW_US).stages}["sent"] == 0
    counts.is_complete = False
    assert {stage.name: stage.count for stage in recorder.funnel(NOW_US).stages}["sent"] == 1


class SlowJournal(MemoryStore):
    """A ledger whose journal lets other tasks run before it returns."""

    async def journal(self, after_seq: int = 0, limit: int = 1000) -> tuple[JournalEntry, ...]:
        await asyncio.sleep(0)
        return await super().journal(after_seq, limit)


async def test_concurrent_reads_count_each_entry_once() -> None:
    ledger, counts = SlowJournal(), OrderCounts(0)
    await opened(ledger)
    assert await ledger.apply(a_reserve("a")) == RESERVED
    await asyncio.gather(counts.read(ledger, INFO.at_us), counts.read(ledger, INFO.at_us))
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
        await counts.read(rig.ledger, INFO.at_us)
        assert not counts.is_complete


def acknowledge(order_id: str, exchange_order_id: str) -> Acknowledge:
    return Acknowledge(
        order_id=order_id, exchange_order_id=exchange_order_id, ticker="M", filled_centi=0, remaining_centi=1000
    )
