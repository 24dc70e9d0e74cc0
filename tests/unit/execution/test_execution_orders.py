"""Sending, keeping, moving and cancelling orders, and the orders that must not rest."""

from __future__ import annotations

import asyncio

from support.execution_harness import ExecutionHarness, ask, bid
from support.in_memory_exchange import without
from support.in_memory_rest import Shown
from support.services import until
from truebook.kalshi.port import NotFound, OutcomeUnknown
from truebook.ledger.verbs import Hold, Mode
from truebook.messages.actions import OmittedSides
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason
from truebook.venue.account import OrderStatus, SelfTradePrevention
from truebook_services.execution.settings import ExecutionSettings

SECOND_US = 1_000_000


async def later(harness: ExecutionHarness, seconds: float = 0.3) -> None:
    """Advance past the throttle and refresh the book."""
    harness.clock.set(harness.clock.now_us() + int(seconds * 1e6))
    await harness.snapshot()


async def test_an_order_is_sent_once_with_its_expiry() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        harness.clock.set(harness.clock.now_us() + 123_456)
        action = await harness.send(harness.action(bid()))
        sent, acknowledged = await harness.outcome(action)
        assert (sent.outcome, acknowledged.outcome) == (OrderOutcome.SENT, OrderOutcome.ACKNOWLEDGED)
        assert acknowledged.tick_to_send_us == 1_500
        order = await harness.order(action, BookSide.BID)
        assert harness.exchange.posted == [order.order_id]
        assert order.state == "acknowledged"
        assert order.exchange_order_id == acknowledged.exchange_order_id
        assert order.expires_us % SECOND_US == 0
        assert 20 * SECOND_US <= order.expires_us - harness.clock.now_us() < 21 * SECOND_US
        assert order.send_by_us == action.deadline_us
        request = harness.exchange.engine.queries.order_request("sim-main", acknowledged.exchange_order_id)
        assert request is not None
        assert request.expiration_s == order.expires_us // SECOND_US
        assert request.time_in_force is TimeInForce.GOOD_TILL_CANCELED
        assert request.self_trade_prevention is SelfTradePrevention.TAKER_AT_CROSS
        assert not request.reduce_only, "the wire has reduce-only for immediate orders only"


async def test_several_targets_of_one_side_are_refused() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        events = await harness.do(bid(4000), bid(4100), ask(6000))
        refused = {(event.book_side, event.reason) for event in events if event.outcome is OrderOutcome.REFUSED}
        assert refused == {(BookSide.BID, Reason.INVALID)}
        assert [order.book_side for order in await harness.open_orders()] == [BookSide.ASK]


async def test_reduce_only_is_capped_at_the_position() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        await harness.add_position(700)
        await harness.do(ask(6000, 1000, reduce_only=True))
        assert [order.size_centi for order in await harness.open_orders()] == [700]


async def test_an_immediate_order_is_reduce_only_without_expiry() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        await harness.add_position(700)
        target = ask(4000, 1000, reduce_only=True, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
        events = await harness.do(target)
        request = harness.exchange.engine.queries.order_request("sim-main", events[-1].exchange_order_id)
        assert request is not None
        assert (request.reduce_only, request.expiration_s) == (True, None)
        assert (await harness.do(bid(time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)))[-1].reason is Reason.INVALID


async def test_a_fitting_order_keeps_its_place_in_the_queue() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        await harness.do(bid())
        await later(harness)
        kept = await harness.do(bid())
        assert [(event.outcome, event.reason) for event in kept] == [(OrderOutcome.KEPT, Reason.UNCHANGED)]
        assert len(harness.exchange.posted) == 1


async def test_a_moved_order_is_cancelled_before_it_is_replaced() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        first = await harness.send(harness.action(bid(4000)))
        await harness.outcome(first)
        await later(harness)
        moved = await harness.do(bid(4100))
        assert moved[-1].reason is Reason.AWAITING_CANCEL
        assert len(harness.exchange.posted) == 1, "nothing is placed before the terminal state is known"
        assert (await harness.order(first, BookSide.BID)).state == "terminal"
        await later(harness)
        assert (await harness.do(bid(4100)))[-1].outcome is OrderOutcome.ACKNOWLEDGED
        assert [order.price_cc for order in await harness.open_orders()] == [4100]


async def test_omitted_sides_are_cancelled_or_kept() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        await harness.do(bid(), ask())
        await later(harness)
        await harness.do(bid(), omitted_sides=OmittedSides.KEEP)
        assert len(await harness.open_orders()) == 2
        await later(harness)
        await harness.do(bid(), omitted_sides=OmittedSides.CANCEL)
        await until(lambda: len(harness.exchange.own(OrderStatus.RESTING)) == 1, "the ask is cancelled")
        assert [order.book_side for order in harness.exchange.own(OrderStatus.RESTING)] == [BookSide.BID]


async def test_an_action_without_targets_does_nothing() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        await harness.do(bid())
        await later(harness)
        await harness.send(harness.action())
        await harness.do(ask())
        assert len(await harness.open_orders()) == 2


async def test_an_action_delivered_twice_is_handled_once() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        action = harness.action(bid())
        await harness.send(action)
        await harness.outcome(action)
        await harness.send(action)
        await until(lambda: harness.events(action)[-1].outcome is OrderOutcome.KEPT, "the duplicate is recognised")
        assert harness.events(action)[-1].detail == "exists:acknowledged"
        assert len(harness.exchange.posted) == 1


async def test_a_slow_response_delays_only_its_own_market() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market("SLOW")
        await harness.open_market("FAST")
        release = asyncio.Event()

        async def slowly(request) -> None:
            if request.ticker == "SLOW":
                await release.wait()

        harness.exchange.before["create_order"] = slowly
        slow = await harness.send(harness.action(bid(), ticker="SLOW"))
        await until(lambda: harness.exchange.posted, "the slow request is sent")
        fast = await harness.do(bid(), ticker="FAST")
        assert fast[-1].outcome is OrderOutcome.ACKNOWLEDGED
        older = await harness.send(harness.action(ask(), ticker="SLOW"))
        newest = await harness.send(harness.action(ask(6100), ticker="SLOW"))
        assert (await harness.outcome(older))[-1].reason is Reason.SUPERSEDED
        release.set()
        assert (await harness.outcome(slow))[-1].outcome is OrderOutcome.ACKNOWLEDGED
        assert (await harness.outcome(newest))[-1].outcome is OrderOutcome.ACKNOWLEDGED


async def test_a_fill_during_a_cancel_is_not_lost() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        first = await harness.send(harness.action(bid(4500)))
        await harness.outcome(first)
        await later(harness)

        async def another_account_sells(_: object) -> None:
            harness.exchange.trade("M", BookSide.ASK, 4500, 400)

        harness.exchange.before["cancel_order"] = another_account_sells
        await harness.do(bid(4600))
        order = await harness.order(first, BookSide.BID)
        assert (order.state, order.remaining_centi) == ("closing", 400)
        assert (await harness.ledger.view()).account.reserved_micros > 0, "four contracts stay reserved"


async def test_a_404_to_a_cancel_proves_nothing() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        first = await harness.send(harness.action(bid(4500)))
        await harness.outcome(first)
        order = await harness.order(first, BookSide.BID)
        harness.exchange.views[Shown.ORDERS] = without(order.exchange_order_id)
        harness.exchange.fail("cancel_order", NotFound(404, "not_found"))
        await later(harness)
        await harness.do(bid(4600))
        assert (await harness.order(first, BookSide.BID)).state == "acknowledged"
        waiting = await harness.do(bid(4600))
        assert waiting[-1].reason is Reason.AWAITING_CANCEL
        harness.exchange.views.clear()
        await later(harness, 2.5)
        await harness.do(bid(4600))
        assert (await harness.order(first, BookSide.BID)).state == "terminal"


async def test_a_stale_read_after_a_cancel_proves_nothing() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        first = await harness.send(harness.action(bid(4500)))
        await harness.outcome(first)
        order = await harness.order(first, BookSide.BID)
        resting = harness.exchange.engine.queries.order("sim-main", order.exchange_order_id)
        assert resting is not None
        harness.exchange.views[Shown.ORDERS] = lambda _: [resting]
        harness.exchange.fail("cancel_order", OutcomeUnknown("timed out"))
        await later(harness)
        await harness.do(bid(4600))
        assert (await harness.order(first, BookSide.BID)).state == "acknowledged"
        harness.exchange.views.clear()
        await later(harness, 2.5)
        await harness.do(bid(4600))
        assert (await harness.order(first, BookSide.BID)).state == "terminal"


async def sweep(harness: ExecutionHarness) -> None:
    await harness.clock.advance(harness.settings.sweep_s + 0.01)


async def test_only_some_holds_cancel_resting_orders() -> None:
    async with ExecutionHarness(ExecutionSettings(tier="prestige", cancel_stale_after_s=1000)) as harness:
        await harness.open_market()
        await harness.do(bid())
        for name in ("reconciliation", "clock", "operator_keep_orders"):
            await harness.ledger.apply(Hold(name=name, mode=Mode.HALTED, owner="x"))
            await sweep(harness)
            assert len(await harness.open_orders()) == 1, name
        await harness.ledger.apply(Hold(name="operator", mode=Mode.HALTED, owner="x"))
        await sweep(harness)
        await until(lambda: not harness.exchange.own(OrderStatus.RESTING), "the halt cancels")


async def test_flattening_cancels_all_but_reduce_only_orders() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        await harness.add_position(500)
        await harness.do(bid(), ask(6000, 500, reduce_only=True))
        await harness.ledger.apply(Hold(name="operator", mode=Mode.FLATTENING, owner="operator"))
        await sweep(harness)
        await until(lambda: len(harness.exchange.own(OrderStatus.RESTING)) == 1, "the bid is cancelled")
        assert [order.book_side for order in await harness.open_orders()] == [BookSide.ASK]


async def test_a_reduce_only_order_that_would_open_is_cancelled() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        await harness.add_position(500)
        action = await harness.send(harness.action(ask(6000, 500, reduce_only=True)))
        await harness.outcome(action)
        await harness.add_position(-500)
        await sweep(harness)
        await until(lambda: not harness.exchange.own(OrderStatus.RESTING), "it is cancelled")
        cancelled = [event for event in harness.events() if event.outcome is OrderOutcome.CANCELLED]
        assert [event.reason for event in cancelled] == [Reason.REDUCE_ONLY]
        assert [event.detail for event in cancelled] == ["cancelled 5.00 of 5.00"]  # in contracts, as people read them


async def test_orders_on_a_stale_book_are_cancelled_after_a_time() -> None:
    async with ExecutionHarness(
        ExecutionSettings(tier="prestige", cancel_stale_after_s=4, order_lifetime_s=100)
    ) as harness:
        await harness.open_market("STALE")
        await harness.open_market("FRESH")
        await harness.do(bid(), ticker="STALE")
        await harness.do(bid(), ticker="FRESH")
        await harness.mark_stale("STALE")
        await harness.clock.advance(3)
        assert len(harness.exchange.own(OrderStatus.RESTING)) == 2
        await harness.snapshot("FRESH")
        await harness.clock.advance(2)
        await until(
            lambda: len(harness.exchange.own(OrderStatus.RESTING)) == 1, "the stale market's order is cancelled"
        )
        assert harness.exchange.own(OrderStatus.RESTING)[0].ticker == "FRESH"


async def test_a_late_send_is_not_sent_and_reserves_nothing() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        action = harness.action(bid(), deadline_s=1)
        sign = harness.exchange.sign_order

        def slow_signature(request):
            harness.clock.set(harness.clock.now_us() + 2 * SECOND_US)
            return sign(request)

        harness.exchange.sign_order = slow_signature  # type: ignore[method-assign]
        await harness.send(action)
        assert (await harness.outcome(action))[-1].reason is Reason.DEADLINE
        assert not harness.exchange.posted
        assert (await harness.ledger.view()).account.reserved_micros == 0
