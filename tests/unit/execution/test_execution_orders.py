"""Orders on their way: sending, keeping, moving, pulling, cancelling, and what must not go on resting."""

from __future__ import annotations

import asyncio

from support.execution_rig import Rig, ask, bid, until
from truebook.kalshi.port import NotFound, OutcomeUnknown
from truebook.messages.actions import Unmentioned
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason
from truebook.venue.account import OrderStatus, SelfTradePrevention
from truebook_services.execution.settings import ExecutionSettings

SECOND_US = 1_000_000


async def later(rig: Rig, seconds: float = 0.3) -> None:
    """Let the throttle pass, with a book that is fresh again."""
    rig.clock.set(rig.clock.now_us() + int(seconds * 1e6))
    await rig.snapshot()


async def test_an_order_is_sent_once_with_its_own_expiry_and_acknowledged_with_its_latency() -> None:
    async with Rig() as rig:
        await rig.open_market()
        rig.clock.set(rig.clock.now_us() + 123_456)
        action = await rig.send(rig.action(bid()))
        sent, acknowledged = await rig.outcome(action)
        assert (sent.outcome, acknowledged.outcome) == (OrderOutcome.SENT, OrderOutcome.ACKNOWLEDGED)
        assert acknowledged.tick_to_send_us == 1_500
        order = await rig.order(action, BookSide.BID)
        assert rig.exchange.posted == [order.order_id]
        assert order.state == "acknowledged"
        assert order.exchange_order_id == acknowledged.exchange_order_id
        assert order.expires_us % SECOND_US == 0
        assert 20 * SECOND_US <= order.expires_us - rig.clock.now_us() < 21 * SECOND_US
        assert order.send_by_us == action.deadline_us
        request = rig.exchange.engine.order_request("sim-main", acknowledged.exchange_order_id)
        assert request is not None
        assert request.expiration_s == order.expires_us // SECOND_US
        assert request.time_in_force is TimeInForce.GOOD_TILL_CANCELED
        assert request.self_trade_prevention is SelfTradePrevention.TAKER_AT_CROSS
        assert not request.reduce_only, "the wire knows reduce-only for immediate orders alone"


async def test_reduce_only_is_capped_at_what_is_held() -> None:
    async with Rig() as rig:
        await rig.open_market()
        await rig.hold_position(700)
        await rig.do(ask(6000, 1000, reduce_only=True))
        assert [order.size_centi for order in await rig.open_orders()] == [700]


async def test_an_immediate_order_reduces_only_and_carries_no_expiry() -> None:
    async with Rig() as rig:
        await rig.open_market()
        await rig.hold_position(700)
        target = ask(4000, 1000, reduce_only=True, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
        events = await rig.do(target)
        request = rig.exchange.engine.order_request("sim-main", events[-1].exchange_order_id)
        assert request is not None
        assert (request.reduce_only, request.expiration_s) == (True, None)
        assert (await rig.do(bid(time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)))[-1].reason is Reason.INVALID


async def test_an_order_that_already_fits_keeps_its_place_in_the_queue() -> None:
    async with Rig() as rig:
        await rig.open_market()
        await rig.do(bid())
        await later(rig)
        kept = await rig.do(bid())
        assert [(event.outcome, event.reason) for event in kept] == [(OrderOutcome.KEPT, Reason.UNCHANGED)]
        assert len(rig.exchange.posted) == 1


async def test_a_moved_order_is_cancelled_first_and_a_later_action_places_the_new_one() -> None:
    async with Rig() as rig:
        await rig.open_market()
        first = await rig.send(rig.action(bid(4000)))
        await rig.outcome(first)
        await later(rig)
        moved = await rig.do(bid(4100))
        assert moved[-1].reason is Reason.AWAITING_CANCEL
        assert len(rig.exchange.posted) == 1, "nothing new before the terminal state is known"
        assert (await rig.order(first, BookSide.BID)).state == "terminal"
        await later(rig)
        assert (await rig.do(bid(4100)))[-1].outcome is OrderOutcome.ACKNOWLEDGED
        assert [order.price_cc for order in await rig.open_orders()] == [4100]


async def test_pull_cancels_the_side_that_is_not_mentioned_and_keep_leaves_it() -> None:
    async with Rig() as rig:
        await rig.open_market()
        await rig.do(bid(), ask())
        await later(rig)
        await rig.do(bid(), unmentioned=Unmentioned.KEEP)
        assert len(await rig.open_orders()) == 2
        await later(rig)
        await rig.do(bid(), unmentioned=Unmentioned.PULL)
        await until(lambda: len(rig.exchange.own(OrderStatus.RESTING)) == 1, "the ask is cancelled")
        assert [order.book_side for order in rig.exchange.own(OrderStatus.RESTING)] == [BookSide.BID]


async def test_a_hold_action_does_nothing() -> None:
    async with Rig() as rig:
        await rig.open_market()
        await rig.do(bid())
        await later(rig)
        await rig.send(rig.action())
        await rig.do(ask())
        assert len(await rig.open_orders()) == 2


async def test_an_action_told_twice_is_carried_out_once() -> None:
    async with Rig() as rig:
        await rig.open_market()
        action = rig.action(bid())
        await rig.send(action)
        await rig.outcome(action)
        await rig.send(action)
        await until(lambda: rig.events(action)[-1].outcome is OrderOutcome.KEPT, "the second one is recognised")
        assert rig.events(action)[-1].detail == "exists:acknowledged"
        assert len(rig.exchange.posted) == 1


async def test_a_slow_answer_in_one_market_delays_no_other_and_the_newest_action_waits_for_it() -> None:
    async with Rig() as rig:
        await rig.open_market("SLOW")
        await rig.open_market("FAST")
        release = asyncio.Event()

        async def slowly(request) -> None:
            if request.ticker == "SLOW":
                await release.wait()

        rig.exchange.before["create_order"] = slowly
        slow = await rig.send(rig.action(bid(), ticker="SLOW"))
        await until(lambda: rig.exchange.posted, "the slow POST is under way")
        fast = await rig.do(bid(), ticker="FAST")
        assert fast[-1].outcome is OrderOutcome.ACKNOWLEDGED
        older = await rig.send(rig.action(ask(), ticker="SLOW"))
        newest = await rig.send(rig.action(ask(6100), ticker="SLOW"))
        assert (await rig.outcome(older))[-1].reason is Reason.SUPERSEDED
        release.set()
        assert (await rig.outcome(slow))[-1].outcome is OrderOutcome.ACKNOWLEDGED
        assert (await rig.outcome(newest))[-1].outcome is OrderOutcome.ACKNOWLEDGED


async def test_a_fill_that_crosses_the_cancel_is_not_lost() -> None:
    async with Rig() as rig:
        await rig.open_market()
        first = await rig.send(rig.action(bid(4500)))
        await rig.outcome(first)
        await later(rig)

        async def someone_sells(_: object) -> None:
            rig.exchange.trade("M", BookSide.ASK, 4500, 400)

        rig.exchange.before["cancel_order"] = someone_sells
        await rig.do(bid(4600))
        order = await rig.order(first, BookSide.BID)
        assert (order.state, order.remaining_centi) == ("closing", 400)
        assert (await rig.ledger.view()).account.promised_micros > 0, "the four contracts stay promised"


async def test_a_cancel_that_is_answered_with_404_proves_nothing_by_itself() -> None:
    async with Rig() as rig:
        await rig.open_market()
        first = await rig.send(rig.action(bid(4500)))
        await rig.outcome(first)
        order = await rig.order(first, BookSide.BID)
        rig.exchange.hidden_orders.add(order.exchange_order_id)
        rig.exchange.fail("cancel_order", NotFound(404, "not_found"))
        await later(rig)
        await rig.do(bid(4600))
        assert (await rig.order(first, BookSide.BID)).state == "acknowledged"
        waiting = await rig.do(bid(4600))
        assert waiting[-1].reason is Reason.AWAITING_CANCEL
        rig.exchange.hidden_orders.clear()
        await later(rig, 2.5)
        await rig.do(bid(4600))
        assert (await rig.order(first, BookSide.BID)).state == "terminal"


async def test_a_stale_read_after_a_cancel_is_waited_out() -> None:
    async with Rig() as rig:
        await rig.open_market()
        first = await rig.send(rig.action(bid(4500)))
        await rig.outcome(first)
        order = await rig.order(first, BookSide.BID)
        resting = rig.exchange.engine.order("sim-main", order.exchange_order_id)
        assert resting is not None
        rig.exchange.stale_orders[resting.exchange_order_id] = resting
        rig.exchange.fail("cancel_order", OutcomeUnknown("timed out"))
        await later(rig)
        await rig.do(bid(4600))
        assert (await rig.order(first, BookSide.BID)).state == "acknowledged"
        rig.exchange.stale_orders.clear()
        await later(rig, 2.5)
        await rig.do(bid(4600))
        assert (await rig.order(first, BookSide.BID)).state == "terminal"


async def sweep(rig: Rig) -> None:
    await rig.clock.advance(rig.settings.sweep_s + 0.01)


async def test_a_halt_cancels_what_rests_but_the_systems_own_holds_and_a_halt_that_keeps_do_not() -> None:
    async with Rig(ExecutionSettings(tier="prestige", cancel_stale_s=1000)) as rig:
        await rig.open_market()
        await rig.do(bid())
        for name in ("reconciliation", "clock", "operator_keep_orders"):
            await rig.ledger.hold(name, "halted", "x")
            await sweep(rig)
            assert len(await rig.open_orders()) == 1, name
        await rig.ledger.hold("operator", "halted", "x")
        await sweep(rig)
        await until(lambda: not rig.exchange.own(OrderStatus.RESTING), "the halt cancels")


async def test_flattening_cancels_what_opens_and_leaves_what_reduces() -> None:
    async with Rig() as rig:
        await rig.open_market()
        await rig.hold_position(500)
        await rig.do(bid(), ask(6000, 500, reduce_only=True))
        await rig.ledger.hold("operator", "flattening", "operator")
        await sweep(rig)
        await until(lambda: len(rig.exchange.own(OrderStatus.RESTING)) == 1, "the bid is cancelled")
        assert [order.book_side for order in await rig.open_orders()] == [BookSide.ASK]


async def test_a_reduce_only_order_that_would_now_open_is_cancelled() -> None:
    async with Rig() as rig:
        await rig.open_market()
        await rig.hold_position(500)
        action = await rig.send(rig.action(ask(6000, 500, reduce_only=True)))
        await rig.outcome(action)
        await rig.hold_position(-500)
        await sweep(rig)
        await until(lambda: not rig.exchange.own(OrderStatus.RESTING), "it is cancelled")
        cancelled = [event for event in rig.events() if event.outcome is OrderOutcome.CANCELLED]
        assert [event.reason for event in cancelled] == [Reason.REDUCE_ONLY]


async def test_orders_in_a_market_whose_book_is_lost_are_cancelled_after_a_while() -> None:
    async with Rig(ExecutionSettings(tier="prestige", cancel_stale_s=4, order_life_s=100)) as rig:
        await rig.open_market("LOST")
        await rig.open_market("FRESH")
        await rig.do(bid(), ticker="LOST")
        await rig.do(bid(), ticker="FRESH")
        await rig.mark_stale("LOST")
        await rig.clock.advance(3)
        assert len(rig.exchange.own(OrderStatus.RESTING)) == 2
        await rig.snapshot("FRESH")
        await rig.clock.advance(2)
        await until(lambda: len(rig.exchange.own(OrderStatus.RESTING)) == 1, "the lost market's order is cancelled")
        assert rig.exchange.own(OrderStatus.RESTING)[0].ticker == "FRESH"


async def test_a_send_that_comes_too_late_is_not_sent_and_promises_nothing() -> None:
    async with Rig() as rig:
        await rig.open_market()
        action = rig.action(bid(), deadline_s=1)
        sign = rig.exchange.sign_order

        def slow_signature(request):
            rig.clock.set(rig.clock.now_us() + 2 * SECOND_US)
            return sign(request)

        rig.exchange.sign_order = slow_signature  # type: ignore[method-assign]
        await rig.send(action)
        assert (await rig.outcome(action))[-1].reason is Reason.DEADLINE
        assert not rig.exchange.posted
        assert (await rig.ledger.view()).account.promised_micros == 0
