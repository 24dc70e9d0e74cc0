"""The gauges of the ledger say what the ledger says."""

from __future__ import annotations

from prometheus_client import generate_latest

from support.fakes_market import context, opened_ledger
from truebook.clock import ManualClock
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import Reserve
from truebook.messages.envelope import BookSide
from truebook_services.reconciler.figures import Figures, figures_of, unknown_by_age

NOW_US = 1_000_000_000


def order(name: str) -> Reserve:
    return Reserve(
        order_id=f"tb1-{name}", nonce="n", ticker="M", event="E", exclusive=False, book_side=BookSide.BID,
        price_cc=4_000, size_centi=500, reduce_only=False, fee_rate_ppm=0, deadline_us=NOW_US + 10_000_000,
        now_us=NOW_US, partition=0, epoch=1, reference_cc=None, send_by_us=NOW_US + 5_000_000,
        expires_us=NOW_US + 20_000_000,
    )  # fmt: skip


async def test_an_unknown_order_shows_its_promise_and_its_age() -> None:
    ledger = await opened_ledger()
    await ledger.raise_epoch(0, 1)
    assert await ledger.reserve(order("a")) == "reserved"
    await ledger.mark_unknown("tb1-a")
    figures = figures_of(await ledger.view(), NOW_US + 7_000_000)
    assert (figures["unknown_orders"], figures["oldest_unknown_order_seconds"]) == (1, 7)
    assert figures["promised_micros"] + figures["cash_micros"] == figures["deposits_micros"]
    assert figures["conservation_error_micros"] == 0


async def test_unknown_orders_are_counted_by_their_age() -> None:
    ledger = await opened_ledger()
    await ledger.raise_epoch(0, 1)
    assert await ledger.reserve(order("a")) == "reserved"
    await ledger.mark_unknown("tb1-a")
    view = await ledger.view()
    ages = ("below 10 s", "below 1 min", "1 min and more")
    for seconds, where in ((9, 0), (10, 1), (59, 1), (60, 2), (10_000, 2)):
        counted = unknown_by_age(view, NOW_US + seconds * 1_000_000)
        assert counted == {age: int(place == where) for place, age in enumerate(ages)}


async def test_a_halt_is_the_most_severe_mode() -> None:
    ledger = await opened_ledger()
    await ledger.hold("operator", "halted", "operator")
    figures = figures_of(await ledger.view(), NOW_US)
    assert (figures["mode"], figures["holds"]) == (3, 1)


async def test_a_ledger_that_is_not_opened_shows_no_figures() -> None:
    clock = ManualClock(NOW_US)
    surroundings = context("reconciler", clock=clock)
    await Figures(surroundings, MemoryStore("test")).show()
    assert b"truebook_ledger" not in generate_latest(surroundings.metrics.registry)
    await Figures(surroundings, await opened_ledger()).show()
    assert b'truebook_ledger_cash_micros{service="reconciler"} 1e+09' in generate_latest(surroundings.metrics.registry)
