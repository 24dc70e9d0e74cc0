"""Orders go to their market's shard, need cash there, and a pause of one shard holds its markets only."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.execution_harness import ExecutionHarness, bid
from support.in_memory_exchange import InMemoryExchange
from support.services import until
from truebook.clock import ManualClock
from truebook.ledger.verbs import ReportTransfer
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason
from truebook.simulation.venue.shard_plan import ShardChange

AWAY = "S-1"
DOLLAR = 1_000_000


@pytest.fixture
async def harness() -> AsyncIterator[ExecutionHarness]:
    """Markets M on shard 0 and S-1 on shard 2; all cash is on shard 0."""
    clock = ManualClock()
    exchange = InMemoryExchange(clock, shards=("2:S", "3"))
    async with ExecutionHarness(exchange=exchange, clock=clock) as harness:
        await harness.open_market()
        exchange.add_market(AWAY, exchange_index=2)
        await harness.publish_market(AWAY)
        yield harness


async def fund(harness: ExecutionHarness, dollars: int) -> None:
    exchange_id = await harness.exchange.transfer_between_shards(
        "00000000-0000-0000-0000-000000000001", 0, 2, dollars * DOLLAR
    )
    report = ReportTransfer(
        transfer_id="web", exchange_transfer_id=exchange_id, from_shard=0, to_shard=2, amount_micros=dollars * DOLLAR,
        status="arrived", now_us=1,
    )  # fmt: skip
    assert await harness.ledger.apply(report) == "arrived"


async def test_a_refusal_states_where_the_cash_is(harness: ExecutionHarness) -> None:
    (event,) = await harness.do(bid(), ticker=AWAY)
    assert (event.outcome, event.reason) == (OrderOutcome.REFUSED, Reason.SHARD_CASH)
    assert event.detail == "the market is on shard 2; cash is $1000.000000 on shard 0"
    assert harness.exchange.posted == []


async def test_an_order_is_sent_to_its_markets_shard(harness: ExecutionHarness) -> None:
    await fund(harness, 20)
    (*_, event) = await harness.do(bid(), ticker=AWAY)
    assert event.outcome is OrderOutcome.ACKNOWLEDGED
    (listed,) = await harness.exchange.orders()
    assert listed.exchange_index == 2
    account = (await harness.ledger.view()).account
    assert account.shard(2).reserved_micros > 0 and account.shard(0).reserved_micros == 0


async def test_a_working_order_of_a_shard_is_cancelled(harness: ExecutionHarness) -> None:
    await fund(harness, 20)
    await harness.do(bid(3000), ticker=AWAY)
    await harness.send(harness.action(ticker=AWAY, omitted_sides="cancel"))

    def is_cancelled() -> bool:
        return not harness.ledger.ledger.state.markets[AWAY].open

    await until(is_cancelled, "the order is cancelled")


async def test_a_pause_of_a_shard_holds_its_markets_only(harness: ExecutionHarness) -> None:
    await fund(harness, 20)
    now_us = harness.clock.now_us()
    harness.exchange.engine.switch_shard(ShardChange(exchange_index=2, trading_active=False), now_us)
    await harness.do(bid(), ticker=AWAY)
    view = await harness.ledger.view()
    assert [hold.name for hold in view.account.holds] == ["exchange_paused@shard:2"]
    (event,) = await harness.do(bid(3900), ticker=AWAY)
    assert event.reason is Reason.HOLD
    (*_, event) = await harness.do(bid())
    assert event.outcome is OrderOutcome.ACKNOWLEDGED
    harness.exchange.engine.switch_shard(ShardChange(exchange_index=2, trading_active=True), now_us)
    for _ in range(20):
        await harness.clock.advance(1.0)
    assert (await harness.ledger.view()).account.holds == ()
