"""The contract of ``LiveSource``: the made one, the one on a live state, and that one over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from support.fake_operator import FakeOperator
from support.live_contract import LiveContract, LiveRig
from support.made_live import MadeLive
from support.samples import NOW_US, TICKER, account_report, action, samples, service_report
from truebook.clock import ManualClock
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import LedgerView, StoreUnavailable
from truebook.messages.envelope import Message
from truebook.messages.market_metadata import MarketStatus
from truebook.messages.markets import MarketUpdated
from truebook.messages.orders import OrderOutcome
from truebook_services.operator.access import Access
from truebook_services.operator.api import operator_app
from truebook_services.operator.live import LiveSource
from truebook_services.operator.live_client import HttpLive
from truebook_services.operator.live_memory import MemoryLive, live_state
from truebook_services.operator.port import OperatorError
from truebook_services.operator.statistics import Statistics

OTHER = "KXHIGHNY-26NOV24-B53.5"
TOKEN = "token"


def sample(name: str, **changes: Any) -> Message:
    return msgspec.structs.replace(samples()[name], **changes)


class MadeRig:
    """The source for tests of the page."""

    def __init__(self) -> None:
        self.made = MadeLive(20)
        self.source: LiveSource = self.made
        self.ticker, self.action_id = self.made._ticker(0), "made-0"

    def change(self) -> None:
        self.made.touch(self.ticker)

    def end_market(self) -> None:
        self.made.remove(self.ticker)


class StateRig:
    """A state that has taken one decision of two markets, from the book to the fill."""

    def __init__(self) -> None:
        self.clock, self.ledger = ManualClock(NOW_US + 5_000_000), MemoryStore("test")
        self.statistics = Statistics()
        self.statistics.live = live_state(self.statistics, NOW_US, "test")
        self.source: LiveSource = MemoryLive(self.statistics, self.clock, self.view, lambda: None)
        self.ticker, self.action_id, self.version = TICKER, "aa", 42
        self.is_ledger_down = False
        metadata = msgspec.structs.replace(self.update().metadata, settlement_cc=None)
        for ticker in (TICKER, OTHER):
            self.take(sample("markets.market_updated", ticker=ticker, selected=True, exclusion=None,
                             metadata=msgspec.structs.replace(metadata, ticker=ticker)))  # fmt: skip
            self.take(sample("orderbook.book_snapshot", ticker=ticker, version=self.version))
        self.take(sample("observations.observation", id="o"))
        self.take(action(id="aa", observation_id="o"))
        order = {"action_id": "aa", "client_order_id": "tb1-aa", "reason": None}
        for outcome in (OrderOutcome.SENT, OrderOutcome.ACKNOWLEDGED):
            self.take(sample("orders.order_event", outcome=outcome, **order))
        self.take(sample("fills.fill_recorded"))
        self.take(service_report(service="policy"))
        self.take(account_report())

    async def view(self) -> LedgerView:
        if self.is_ledger_down:
            raise StoreUnavailable("no response")
        return await self.ledger.view()

    def take(self, message: Message) -> None:
        self.statistics.count(message)

    def update(self) -> MarketUpdated:
        update = samples()["markets.market_updated"]
        assert isinstance(update, MarketUpdated)
        return update

    def change(self) -> None:
        self.version += 1
        self.take(
            sample("orderbook.book_delta", version=self.version, size_centi=100 * self.version, produced_us=NOW_US + 9)
        )

    def end_market(self) -> None:
        metadata = msgspec.structs.replace(self.update().metadata, status=MarketStatus.FINALIZED)
        self.take(sample("markets.market_updated", selected=False, metadata=metadata))


class HttpRig(StateRig):
    """The same behind the operator's API."""

    def __init__(self) -> None:
        super().__init__()
        transport = httpx.ASGITransport(app=operator_app(FakeOperator(), TOKEN, self.source))
        self.source = HttpLive(Access(url="http://test", token=TOKEN, pid=1), transport=transport)


class TestMadeLive(LiveContract):
    @pytest.fixture
    def rig(self) -> LiveRig:
        return MadeRig()


class TestMemoryLive(LiveContract):
    @pytest.fixture
    def rig(self) -> LiveRig:
        return StateRig()


class TestHttpLive(LiveContract):
    @pytest.fixture
    async def rig(self) -> AsyncIterator[LiveRig]:
        rig = HttpRig()
        yield rig
        await rig.source.aclose()


async def test_the_live_views_need_the_token() -> None:
    transport = httpx.ASGITransport(app=operator_app(FakeOperator(), TOKEN, StateRig().source))
    live = HttpLive(Access(url="http://test", token="wrong", pid=1), transport=transport)
    with pytest.raises(OperatorError, match="token"):
        await live.changes()


async def test_without_a_ledger_positions_are_unknown_and_stated() -> None:
    rig = StateRig()
    rig.is_ledger_down = True
    changes = await rig.source.changes()
    assert {row.position_centi for row in changes.rows} == {None}
    assert changes.note is not None and "no response" in changes.note
    rig.is_ledger_down = False
    rig.clock.set(rig.clock.now_us() + 2_000_000)
    later = await rig.source.changes(changes.version)
    assert (later.note, {row.position_centi for row in later.rows}) == (None, {0})
