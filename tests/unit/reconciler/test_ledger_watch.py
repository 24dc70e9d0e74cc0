"""The ledger's gauges have the ledger's values."""

from __future__ import annotations

from prometheus_client import generate_latest

from support.services import make_context, opened_ledger
from truebook.clock import ManualClock
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.verbs import RESERVED, Hold, MarkUnknown, Mode, RaiseEpoch, Reserve
from truebook.messages.envelope import BookSide
from truebook_services.reconciler.ledger_watch import LedgerWatch, gauge_values, unknown_by_age

NOW_US = 1_000_000_000


def order(name: str) -> Reserve:
    return Reserve(
        order_id=f"tb1-{name}", nonce="n", ticker="M", event="E", exclusive=False, book_side=BookSide.BID,
        price_cc=4_000, size_centi=500, reduce_only=False, fee_rate_ppm=0, deadline_us=NOW_US + 10_000_000,
        now_us=NOW_US, partition=0, epoch=1, reference_cc=None, send_by_us=NOW_US + 5_000_000,
        expires_us=NOW_US + 20_000_000,
    )  # fmt: skip


async def test_an_unknown_order_is_exported_with_its_age() -> None:
    ledger = await opened_ledger()
    await ledger.apply(RaiseEpoch(partition=0, epoch=1))
    assert await ledger.apply(order("a")) == RESERVED
    await ledger.apply(MarkUnknown(order_id="tb1-a"))
    values = gauge_values(await ledger.view(), NOW_US + 7_000_000)
    assert (values["unknown_orders"], values["oldest_unknown_order_seconds"]) == (1, 7)
    assert values["reserved_micros"] + values["cash_micros"] == values["deposits_micros"]
    assert values["conservation_error_micros"] == 0


async def test_unknown_orders_are_counted_by_their_age() -> None:
    ledger = await opened_ledger()
    await ledger.apply(RaiseEpoch(partition=0, epoch=1))
    assert await ledger.apply(order("a")) == RESERVED
    await ledger.apply(MarkUnknown(order_id="tb1-a"))
    view = await ledger.view()
    ages = ("below 10 s", "below 1 min", "1 min and more")
    for seconds, where in ((9, 0), (10, 1), (59, 1), (60, 2), (10_000, 2)):
        counted = unknown_by_age(view, NOW_US + seconds * 1_000_000)
        assert counted == {age: int(place == where) for place, age in enumerate(ages)}


async def test_a_halt_is_the_most_severe_mode() -> None:
    ledger = await opened_ledger()
    await ledger.apply(Hold(name="operator", mode=Mode.HALTED, owner="operator"))
    values = gauge_values(await ledger.view(), NOW_US)
    assert (values["mode"], values["trading_holds"]) == (3, 1)


async def test_an_unopened_ledger_exports_no_gauges() -> None:
    clock = ManualClock(NOW_US)
    shared = make_context("reconciler", clock=clock)
    await LedgerWatch(shared, MemoryStore("test")).run()
    assert b"truebook_ledger_cash" not in generate_latest(shared.metrics.registry)
    await LedgerWatch(shared, await opened_ledger()).run()
    assert b'truebook_ledger_cash_micros{service="reconciler"} 1e+09' in generate_latest(shared.metrics.registry)
