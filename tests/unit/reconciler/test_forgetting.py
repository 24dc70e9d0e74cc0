"""What the ledger forgets is behind the sweep, be its own clock as it may: no fill is ever booked twice."""

from __future__ import annotations

import pytest

from support.execution_rig import make_context
from support.ledger_verbs import a_fill, a_reserve, an_acknowledge
from truebook.bus.memory import MemoryBus
from truebook.clock import ManualClock
from truebook.ledger.facts import SWEPT
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import Close
from truebook_services.reconciler.forgetting import Forgetting
from truebook_services.reconciler.settings import ReconcilerSettings

HOUR_US = 3_600_000_000
SETTINGS = ReconcilerSettings(forget_after_s=3_600, overlap_s=60)


class Books:
    """A ledger whose clock and sweep are moved by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.ledger = MemoryStore()
        self.forgetting = Forgetting(make_context("reconciler", self.clock, MemoryBus()), SETTINGS, self.ledger)

    async def pass_time(self, hours: float, *, swept: bool = True) -> None:
        self.clock.set(self.clock.now_us() + int(hours * HOUR_US))
        if swept:
            await self.ledger.advance_watermark(SWEPT, self.clock.now_us())

    async def decide(self, order_id: str) -> None:
        """Reserve, which moves the ledger's clock."""
        now_us = self.clock.now_us()
        assert await self.ledger.reserve(a_reserve(order_id, now_us=now_us, deadline_us=now_us + 1_000)) == "reserved"

    async def trade(self, order_id: str) -> None:
        """An order that ends with a fill."""
        await self.decide(order_id)
        await self.ledger.acknowledge(an_acknowledge(order_id, filled_centi=400, remaining_centi=0))
        await self.fill(order_id)

    async def fill(self, order_id: str) -> str:
        return await self.ledger.settle_fill(a_fill(order_id=f"x{order_id}"))

    def orders(self) -> set[str]:
        return set(self.ledger.ledger.state.orders)


@pytest.fixture
async def books() -> Books:
    books = Books()
    await books.ledger.open_account(1_000_000_000, ())
    return books


async def test_an_old_order_is_forgotten_with_its_fills_and_a_younger_one_is_kept(books: Books) -> None:
    await books.trade("old")
    await books.pass_time(0.9)
    await books.trade("young")
    await books.forgetting.run()
    await books.pass_time(0.2)
    await books.forgetting.run()
    assert books.orders() == {"young"}
    assert set(books.ledger.ledger.state.fills) == {"xyoung"}


async def test_nothing_is_forgotten_before_the_sweep_has_passed_the_mark(books: Books) -> None:
    await books.trade("old")
    await books.pass_time(2, swept=False)
    await books.decide("newest")
    for _ in range(3):
        await books.forgetting.run()
        await books.pass_time(1, swept=False)
    assert "old" in books.orders()
    await books.pass_time(0)
    await books.forgetting.run()
    assert books.orders() == {"newest"}


async def test_what_ends_while_the_ledgers_clock_stands_still_is_not_taken_for_old(books: Books) -> None:
    """Halted for a day, then a foreign order is filled, then decisions go on: its fill must stay known."""
    await books.decide("a")
    await books.ledger.close(Close(order_id="a", exchange_order_id="xa", filled_centi=0))
    for _ in range(24):
        await books.pass_time(1)
        await books.forgetting.run()
    assert await books.fill("web") == "parked"
    await books.ledger.acknowledge(an_acknowledge("web"))
    await books.pass_time(0.01)
    await books.decide("newest")
    for _ in range(2):
        await books.forgetting.run()
        await books.pass_time(0.01)
        assert await books.fill("web") == "duplicate", "told once more by the sweep's overlap"
    for _ in range(4):
        await books.pass_time(1)
        await books.forgetting.run()
    assert books.orders() == {"newest"}, "in the end it is forgotten too"


async def test_forgetting_goes_on_until_nothing_is_left_to_forget(books: Books) -> None:
    """One call drops a thousand orders at most; more than that may end between two rounds."""
    for number in range(2_500):
        await books.decide(f"o{number}")
        await books.ledger.close(Close(order_id=f"o{number}", exchange_order_id=None, filled_centi=0))
    await books.pass_time(2)
    await books.decide("newest")
    await books.forgetting.run()
    await books.pass_time(1)
    await books.forgetting.run()
    assert books.orders() == {"newest"}
